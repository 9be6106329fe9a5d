"""The Compare widget."""

from importlib.util import find_spec
from typing import Any

import napari
from magicgui.widgets import ComboBox, Select
from napari.layers import Image
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, InputError, in_words
from napari_clip_denoise.gui.layers import images_of, result_arguments, stack_of
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.pairs import offset_in
from napari_clip_denoise.gui.preview import visible_region
from napari_clip_denoise.images.grid import Region
from napari_clip_denoise.inference.preview import View, central_part
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.registry import DEFAULT_MODEL, entries

PACKAGES = {
    "gaussian": None,
    "nlm": None,
    "wavelet": "pywt",
    "tv": None,
    "bm3d": "bm3d",
    "vst-bm3d": "bm3d",
}
"""The classical methods, and the optional package that each needs."""
BASELINES = [name for name, package in PACKAGES.items() if not package or find_spec(package)]
CHOSEN_FIRST = [DEFAULT_MODEL, "gaussian", "nlm"]
MOST_PIXELS = 2**18


class CompareWidget(QWidget):
    """Shows what several methods make of the visible region, side by side.

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
        self.layer = ComboBox(choices=self._images, tooltip="The noisy image.")
        self.reference = ComboBox(
            choices=lambda widget: [("None", None), *self._images(widget)],
            tooltip="Optional: the truth, or a much less noisy image; gives PSNR and SSIM.",
        )
        names = [entry.name for entry in entries()]
        self.methods = Select(
            choices=[*names, *BASELINES],
            value=[name for name in CHOSEN_FIRST if name in (*names, *BASELINES)],
            tooltip="Models, then classical methods that need no training; Ctrl-click for several.",
        )
        self.run_button = QPushButton("Compare")
        self.run_button.setToolTip(
            "Denoise what you see (up to 512 x 512 pixels in the middle) by each method, and show "
            "the results side by side in napari's grid."
        )
        self.run_button.clicked.connect(self.run)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.cancel_button.clicked.connect(self.cancel)
        self.label = QLabel("")
        self.label.setWordWrap(True)
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Image", self.layer.native)
        rows.addRow("Reference", self.reference.native)
        rows.addRow("Methods", self.methods.native)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addLayout(rows)
        layout.addLayout(buttons)
        layout.addWidget(self.label)
        layout.addStretch()
        events = napari_viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._refresh)
        self.destroyed.connect(lambda: self._cancel.cancel())

    @property
    def is_running(self) -> bool:
        """Whether a comparison goes on."""
        return self._worker is not None

    def run(self) -> None:
        """Compare the chosen methods on the visible region."""
        if self.is_running:
            return
        try:
            layer, view, reference = self._view()
        except ClipDenoiseError as error:
            show_error(str(error))
            return
        chosen = self.methods.value
        models = [name for name in chosen if name not in BASELINES]
        baselines = [name for name in chosen if name in BASELINES]
        self._cancel = CancelToken()
        keep_triton_out()
        self._worker = create_worker(
            _compare,
            view,
            models,
            baselines,
            reference,
            self._cancel,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._worker.yielded.connect(lambda made: self._show(made, layer, view.region))
        self._worker.errored.connect(self._fail)
        self._worker.finished.connect(self._rest)
        self.run_button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self.label.setText("Comparing …")
        self._worker.start()

    def cancel(self) -> None:
        """Stop; what is there already is kept."""
        self._cancel.cancel()

    def _view(self) -> tuple[Image, View, Any]:
        layer = self.layer.value
        if layer is None:
            raise InputError("There is no image layer to denoise; open an image first.")
        if not self.methods.value:
            raise InputError("There is nothing to compare; choose one method or more.")
        stack = stack_of(layer)
        visible = visible_region(layer, stack, self._viewer.dims.point)
        region = central_part(visible, 3 if stack.is_rgb else 2, MOST_PIXELS)
        reference = None
        if self.reference.value is not None:
            offset = offset_in(self.reference.value, layer)
            moved = [
                slice(part.start + shift, part.stop + shift)
                for part, shift in zip(region, offset, strict=True)
            ]
            reference = stack_of(self.reference.value), tuple(moved)
        return layer, View(stack, region, DenoiseSettings()), reference

    def _show(self, made: Any, layer: Image, region: Region) -> None:
        arguments = result_arguments(layer, made.title, {}, region)
        self._viewer.add_image(made.pixels, **arguments)
        self.label.setText(f"{self.label.text()}<br>{made.title}")
        grid = self._viewer.canvas.grid if hasattr(self._viewer, "canvas") else self._viewer.grid
        grid.enabled, grid.stride = True, -1

    def _fail(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self.label.setText("Cancelled.")
            return
        message = in_words(error)
        self.label.setText(message)
        show_error(message)

    def _rest(self) -> None:
        self._worker = None
        self.run_button.setEnabled(True)
        self.cancel_button.setEnabled(False)

    def _images(self, _: object) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in images_of(self._viewer)]

    def _refresh(self) -> None:
        self.layer.reset_choices()
        self.reference.reset_choices()


def _compare(
    view: View, models: list[str], baselines: list[str], reference: Any, cancel: CancelToken
) -> Any:
    from napari_clip_denoise.evaluation.side_by_side import compare_view

    truth = None if reference is None else reference[0].read(reference[1])
    yield from compare_view(view, models, baselines, truth, cancel)
