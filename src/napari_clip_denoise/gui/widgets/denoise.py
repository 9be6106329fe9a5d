"""The Denoise widget."""

import time

import napari
from napari.layers import Image
from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QPushButton

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.formatting import counted, format_seconds, progress_line
from napari_clip_denoise.gui.forms.layer import PLANE, LayerForm
from napari_clip_denoise.gui.panel.base import TaskPanel, in_a_row
from napari_clip_denoise.gui.panel.task import NOTHING_KEPT
from napari_clip_denoise.gui.parts.copy import CopyRow
from napari_clip_denoise.gui.parts.model_help import ModelHelp
from napari_clip_denoise.gui.parts.neighbours import NeighboursHint
from napari_clip_denoise.gui.parts.plan import PlanRow
from napari_clip_denoise.gui.parts.preview import PreviewRow
from napari_clip_denoise.gui.preferences import remember, restore
from napari_clip_denoise.gui.viewer.channels import channel_axis
from napari_clip_denoise.gui.viewer.layers import axes_of, current_plane, shape_of
from napari_clip_denoise.gui.viewer.results import Results, Target
from napari_clip_denoise.gui.workers.denoise import (
    Finished,
    Message,
    Request,
    Started,
    denoise_steps,
    time_run,
    warm_up,
)
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.inference.progress import KEPT, VERIFYING, CancelToken, Progress

REFRESH_SECONDS = 0.5
WARM_UP_MILLISECONDS = 500
RUN_KEY = "Ctrl+Return"
HINT = "Open an image to begin, or try a sample: File > Open Sample > CLIP Denoise."


class DenoiseWidget(TaskPanel):
    """Denoises an image layer in the background into a new layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer with the layers.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__("Stop now; the unfinished result is discarded.")
        self._viewer = napari_viewer
        self._results: Results | None = None
        self._refreshed = 0.0

        self.form = LayerForm(napari_viewer)
        self.neighbours_hint = NeighboursHint(self.form)
        self.plan = PlanRow(self.form)
        self.plan.button.clicked.connect(self.time_run)
        self.run_button = QPushButton("Denoise")
        self.run_button.setToolTip(
            f"Denoise into a new layer; the original image is never changed ({RUN_KEY})."
        )
        self.run_button.setShortcut(RUN_KEY)
        self.run_button.clicked.connect(self.run)
        self.task.follow(idle=(self.form, self.plan, self.run_button))

        restore(self.form)
        self.preview = PreviewRow(
            napari_viewer,
            lambda: (self.form.chosen_layer(), self.form.settings()),
            self.form.layers,
        )
        self.form.layer.changed.connect(self.preview.refresh)
        self.closed.connect(self.preview.close_all)
        self.help = ModelHelp(self.form)
        self.copy_row = CopyRow(
            lambda: (
                self.form.chosen_layer(),
                self.form.stack(),
                self.form.settings(),
                self.form.chosen_store(),
            ),
            self.complain,
        )

        buttons = in_a_row(self.run_button, self.cancel_button)
        self.lay_out(
            self.form,
            self.neighbours_hint,
            self.plan,
            self.help,
            self.preview,
            buttons,
            self.progress,
            self.copy_row,
        )
        self._warm_up = QTimer(self)
        self._warm_up.setSingleShot(True)
        self._warm_up.timeout.connect(lambda: create_worker(warm_up))
        self.form.axes.failed.connect(self.complain)
        self.form.layer.changed.connect(self._forget_message)
        self._forget_message()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Load the library as soon as the window is visible, before the user needs it."""
        self._warm_up.start(WARM_UP_MILLISECONDS)
        super().showEvent(event)

    def _forget_message(self) -> None:
        """Clear what was said about another layer."""
        if not self.is_running:
            self.progress.say(HINT if self.form.layer.value is None else "")

    def run(self) -> None:
        """Start denoising with the settings of the form."""
        if self.is_running:
            return
        try:
            layer = self.form.chosen_layer()
            request = self._request(layer)
        except ClipDenoiseError as error:
            self.complain(error)
            return
        remember(self.form)
        self.preview.pause(True)
        self._results = Results(self._viewer, self._targets(request), self.task.cancel)
        self._started = time.monotonic()
        self._is_verifying = False
        cancel = CancelToken()
        self.task.start(
            denoise_steps,
            request,
            cancel,
            control=cancel,
            take=self._take,
            finish=lambda finished: self._finish(finished, layer.name),
            give_up=self._give_up,
        )

    def time_run(self) -> None:
        """Estimate how long the run will take."""
        try:
            request = self._request(self.form.chosen_layer())
        except ClipDenoiseError as error:
            self.complain(error)
            return
        cancel = CancelToken()
        self.task.start(
            time_run,
            request,
            cancel,
            control=cancel,
            finish=lambda plan: plan.sentence(),
            give_up=lambda: "Cancelled.",
            message="Running a few tiles …",
        )

    def _request(self, layer: Image) -> Request:
        stack = self.form.stack()
        region = whole(stack.shape)
        if self.form.scope.value == PLANE:
            region = current_plane(self._viewer, layer, stack)
        return Request(
            stack,
            self.form.settings(),
            region,
            self.form.chosen_store(),
            self.form.overwrite.value,
        )

    def _targets(self, request: Request) -> list[Target]:
        layers = self.form.layers()
        if len(layers) == 1:
            return [Target(layers[0], request.region)]
        axis = channel_axis(axes_of(layers[0]))
        region = whole(shape_of(layers[0]))
        return [Target(layer, region, (axis, number)) for number, layer in enumerate(layers)]

    def _take(self, messages: tuple[Message, ...]) -> None:
        assert self._results is not None
        for message in messages:
            if isinstance(message, Started):
                self._results.begin(message.array, message.provenance)
        last = messages[-1] if messages else None
        if isinstance(last, Progress):
            self._is_verifying = last.message == VERIFYING
            self.task.show(last.done / last.total, describe(last))
            if time.monotonic() - self._refreshed > REFRESH_SECONDS:
                self._results.refresh()
                self._refreshed = time.monotonic()

    def _finish(self, finished: Finished, name: str) -> str:
        self.preview.pause(False)
        assert self._results is not None
        self._results.finish(finished.array)
        where = f" to {finished.path}" if finished.path else ""
        took = format_seconds(time.monotonic() - self._started)
        return f"Denoised '{name}'{where} in {took}."

    def _give_up(self) -> str:
        self.preview.pause(False)
        assert self._results is not None
        self._results.discard()
        return f"Cancelled; {KEPT}." if self._is_verifying else NOTHING_KEPT


def describe(progress: Progress) -> str:
    """Describe the progress of a run, such as ``37 of 120 planes · 4.1 planes/s · 20 s left``."""
    if progress.message:
        regions = f"{int(progress.done)} of {counted(progress.total, 'region')}"
        return progress_line(progress.message, regions)
    parts = [f"{int(progress.done + 1e-6)} of {counted(progress.total, 'plane')}"]
    if progress.total == 1:
        parts = [f"{100 * progress.done:.0f} %"]
    elif progress.planes_per_second:
        parts.append(f"{progress.planes_per_second:.1f} planes/s")
    is_done = progress.done >= progress.total
    return progress_line(*parts, seconds_left=None if is_done else progress.seconds_left)
