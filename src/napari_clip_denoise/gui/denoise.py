"""The Denoise widget."""

import time
from typing import Any

import napari
from napari.layers import Image
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, in_words
from napari_clip_denoise.gui.clip_remedy import ClipRemedy
from napari_clip_denoise.gui.copy_row import CopyRow
from napari_clip_denoise.gui.layer_form import LayerForm
from napari_clip_denoise.gui.layers import current_plane, result_arguments, result_name, stack_of
from napari_clip_denoise.gui.preview_row import PreviewRow
from napari_clip_denoise.gui.progress_row import ProgressRow
from napari_clip_denoise.gui.remembered import remember, restore
from napari_clip_denoise.gui.workers import Finished, Message, Request, Started, denoise_steps
from napari_clip_denoise.images.grid import Region, whole
from napari_clip_denoise.inference.progress import CancelToken, Progress
from napari_clip_denoise.models.registry import CLIP_MODEL, entries
from napari_clip_denoise.text import format_seconds

REFRESH_SECONDS = 0.5
RUN_KEY = "Ctrl+Return"
HINT = "Open an image to begin, or File > Open Sample > CLIP Denoise to try it."


class DenoiseWidget(QWidget):
    """Denoises an image layer in the background into a new layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Where the layers are.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self._worker: Any = None
        self._cancel = CancelToken()
        self._result: Image | None = None
        self._refreshed = 0.0

        self.form = LayerForm(napari_viewer)
        self.run_button = QPushButton("Denoise")
        self.run_button.setToolTip(
            f"Denoise into a new layer; the image itself is never changed ({RUN_KEY})."
        )
        self.run_button.setShortcut(RUN_KEY)
        self.run_button.clicked.connect(self.run)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop now; what was computed so far is thrown away.")
        self.cancel_button.setEnabled(False)
        self.cancel_button.clicked.connect(self.cancel)
        self.progress = ProgressRow()

        restore(self.form)
        self.preview = PreviewRow(
            napari_viewer, lambda: (self.form.chosen_layer(), self.form.settings())
        )
        self.remedy = ClipRemedy(self._use_imported)
        self.form.model.changed.connect(self._show_remedy)
        self.copy_row = CopyRow(
            lambda: (self.form.chosen_layer(), self.form.settings(), self.form.chosen_store())
        )

        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.form)
        layout.addWidget(self.remedy)
        layout.addWidget(self.preview)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.copy_row)
        layout.addStretch()
        self._show_remedy()
        if self.form.layer.value is None:
            self.progress.label.setText(HINT)
        self.destroyed.connect(self._cancel.cancel)

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        return self._worker is not None

    def run(self) -> None:
        """Begin to denoise with the settings of the form."""
        if self.is_running:
            return
        try:
            layer = self.form.chosen_layer()
            stack = stack_of(layer)
            store = self.form.chosen_store()
            region = whole(stack.shape)
            if not self.form.whole.value:
                region = current_plane(layer, stack, self._viewer.dims.point)
            request = Request(stack, self.form.settings(), region, store)
        except ClipDenoiseError as error:
            show_error(str(error))
            return
        remember(self.form)
        self._cancel = CancelToken()
        self.destroyed.connect(self._cancel.cancel)
        self._worker = create_worker(
            denoise_steps, request, self._cancel, _start_thread=False, _ignore_errors=True
        )
        self._worker.yielded.connect(lambda messages: self._take(messages, layer, region))
        self._worker.returned.connect(lambda finished: self._finish(finished, layer.name))
        self._worker.errored.connect(self._fail)
        self._set_running(True)
        self.progress.begin()
        self._started = time.monotonic()
        self._worker.start()

    def cancel(self) -> None:
        """Stop the run; it ends within a second or two."""
        self._cancel.cancel()
        self.cancel_button.setEnabled(False)
        self.progress.label.setText("Cancelling …")

    def _show_remedy(self) -> None:
        self.remedy.setVisible(
            self.form.model.value == CLIP_MODEL
            and CLIP_MODEL not in {entry.name for entry in entries()}
        )

    def _use_imported(self) -> None:
        self.form.model.reset_choices()
        self.form.model.value = CLIP_MODEL
        self._show_remedy()

    def _take(self, messages: tuple[Message, ...], layer: Image, region: Region) -> None:
        for message in messages:
            if isinstance(message, Started):
                arguments = result_arguments(
                    layer,
                    name=result_name(layer, region),
                    metadata=message.provenance,
                    region=region,
                )
                self._result = self._viewer.add_image(message.array, **arguments)
        last = messages[-1] if messages else None
        if isinstance(last, Progress) and not self._cancel.is_cancelled:
            self.progress.show_progress(last)
            if self._result is not None and time.monotonic() - self._refreshed > REFRESH_SECONDS:
                self._result.refresh()
                self._refreshed = time.monotonic()

    def _finish(self, finished: Finished, name: str) -> None:
        if self._result is not None and self._result in self._viewer.layers:
            if self._result.data is not finished.array:
                self._result.data = finished.array
            self._result.refresh()
        where = f" to {finished.path}" if finished.path else ""
        took = format_seconds(time.monotonic() - self._started)
        self._rest(f"Denoised '{name}'{where} in {took}.", is_done=True)

    def _fail(self, error: Exception) -> None:
        if self._result is not None and self._result in self._viewer.layers:
            self._viewer.layers.remove(self._result)
        if isinstance(error, Cancelled):
            self._rest("Cancelled; nothing was kept.", is_done=False)
            show_info("Denoising was cancelled; nothing was kept.")
            return
        message = in_words(error)
        self._rest(message, is_done=False)
        show_error(message)

    def _rest(self, message: str, *, is_done: bool) -> None:
        self._worker = None
        self._result = None
        self._set_running(False)
        self.progress.end(message, is_done=is_done)

    def _set_running(self, is_running: bool) -> None:
        self.form.setEnabled(not is_running)
        self.preview.pause(is_running)
        self.run_button.setEnabled(not is_running)
        self.cancel_button.setEnabled(is_running)
