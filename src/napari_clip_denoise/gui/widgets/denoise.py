"""The Denoise widget."""

import time

import napari
from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QPushButton

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.formatting import counted, format_seconds, progress_line
from napari_clip_denoise.gui.forms.layer import PLANE, SELECTED, LayerForm
from napari_clip_denoise.gui.forms.runs import Run
from napari_clip_denoise.gui.panel.base import TaskPanel, in_a_row
from napari_clip_denoise.gui.panel.task import NOTHING_KEPT
from napari_clip_denoise.gui.panel.turns import Steps
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
from napari_clip_denoise.images.regions import Region, whole
from napari_clip_denoise.inference.progress import KEPT, VERIFYING, CancelToken, Progress

REFRESH_SECONDS = 0.5
WARM_UP_MILLISECONDS = 500
RUN_KEY = "Ctrl+Return"
HINT = "Open an image to begin, or try a sample: File > Open Sample > CLIP Denoise."


class DenoiseWidget(TaskPanel):
    """Denoises image layers in the background into new layers.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer with the layers.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__("Stop now; the unfinished result is discarded.")
        self._viewer = napari_viewer
        self._results: list[Results] = []
        self._verdicts: list[str] = []
        self._number = self._n_finished = 0
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
        self.copy_row = CopyRow(lambda: (self.form.runs(), self.form.settings()), self.complain)

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
        self._warm_up.timeout.connect(lambda: create_worker(_warm_up))
        self.form.axes.failed.connect(self.complain)
        self.form.layer.changed.connect(self._forget_message)
        self.form.targets_changed.connect(self._name_run)
        self._forget_message()
        self._name_run()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Load the library as soon as the window is visible, before the user needs it."""
        self._warm_up.start(WARM_UP_MILLISECONDS)
        super().showEvent(event)

    def _forget_message(self) -> None:
        """Clear what was said about another layer."""
        if not self.is_running:
            self.progress.say(HINT if self.form.layer.value is None else "")

    def _name_run(self) -> None:
        """Show how many layers will be denoised."""
        layers = self.form.layers()
        several = f" {len(layers)} layers" if self.form.scope.value == SELECTED else ""
        self.run_button.setText(f"Denoise{several}")
        self.run_button.setShortcut(RUN_KEY)

    def run(self) -> None:
        """Start denoising with the settings of the form."""
        if self.is_running:
            return
        try:
            runs = self.form.runs()
            requests = [self._request(run) for run in runs]
        except ClipDenoiseError as error:
            self.complain(error)
            return
        remember(self.form)
        self.preview.pause(True)
        self._results = [
            Results(self._viewer, _targets(run, request.region), self.task.cancel)
            for run, request in zip(runs, requests, strict=True)
        ]
        self._number = self._n_finished = 0
        self._verdicts.clear()
        self._started = time.monotonic()
        self._is_verifying = False
        cancel = CancelToken()
        what = describe_runs(runs)
        self.task.start(
            denoise_steps,
            requests,
            cancel,
            control=cancel,
            take=self._take,
            finish=lambda _: self._finish(what),
            give_up=self._give_up,
        )

    def time_run(self) -> None:
        """Estimate how long the run will take."""
        try:
            requests = [self._request(run) for run in self.form.runs()]
        except ClipDenoiseError as error:
            self.complain(error)
            return
        cancel = CancelToken()
        self.task.start(
            time_run,
            requests,
            cancel,
            control=cancel,
            finish=lambda plans: "\n".join(plan.sentence() for plan in plans),
            give_up=lambda: "Cancelled.",
            message="Running a few tiles …",
        )

    def _request(self, run: Run) -> Request:
        region = whole(run.stack.shape)
        if self.form.scope.value == PLANE:
            region = current_plane(self._viewer, run.layers[0], run.stack)
        overwrite = self.form.overwrite.value
        return Request(run.stack, self.form.settings(), region, run.store, overwrite)

    def _take(self, messages: tuple[Message, ...]) -> Steps:
        for message in messages:
            if isinstance(message, Started):
                self._number = message.number
                yield from self._results[message.number].begin(message.array, message.provenance)
            elif isinstance(message, Finished):
                checked = {} if message.verdict is None else message.verdict.record()
                yield from self._results[message.number].finish(message.array, checked)
                self._n_finished += 1
                self._verdicts += self._named(message)
        last = messages[-1] if messages else None
        if isinstance(last, Progress):
            self._is_verifying = last.message == VERIFYING
            n_runs = len(self._results)
            which = [f"layer {self._number + 1} of {n_runs}"] if n_runs > 1 else []
            self.task.show(last.done / last.total, " · ".join([*which, describe(last)]))
            if time.monotonic() - self._refreshed > REFRESH_SECONDS:
                self._results[self._number].refresh()
                self._refreshed = time.monotonic()

    def _named(self, finished: Finished) -> list[str]:
        """Return what the check of a result found, with the name of its layer if there are more."""
        if finished.verdict is None:
            return []
        name = self._results[finished.number].name
        which = f"'{name}': " if len(self._results) > 1 else ""
        return [which + finished.verdict.sentence]

    def _finish(self, what: str) -> str:
        self.preview.pause(False)
        done = f"Denoised {what} in {format_seconds(time.monotonic() - self._started)}."
        return "\n".join([done, *self._verdicts])

    def _give_up(self) -> Steps:
        self.preview.pause(False)
        for results in self._results[self._n_finished :]:
            yield from results.discard()
        if self._n_finished:
            of_all = f"{self._n_finished} of {counted(len(self._results), 'layer')}"
            return f"Cancelled; the results of {of_all} are kept."
        return f"Cancelled; {KEPT}." if self._is_verifying else NOTHING_KEPT


def _warm_up() -> None:
    """Import what denoising needs, and the other panels, before the user asks for them."""
    warm_up()
    from napari_clip_denoise.gui.widgets import (  # noqa: F401
        batch,
        check_result,
        compare,
        fine_tune,
        models,
    )


def _targets(run: Run, region: Region) -> list[Target]:
    if len(run.layers) == 1:
        return [Target(run.layers[0], region)]
    axis = channel_axis(axes_of(run.layers[0]))
    part = whole(shape_of(run.layers[0]))
    return [Target(layer, part, (axis, number)) for number, layer in enumerate(run.layers)]


def describe_runs(runs: list[Run]) -> str:
    """Describe what is denoised, such as ``'cells' to result.ome.zarr`` or ``3 layers``."""
    first = runs[0]
    what = f"'{first.layers[0].name}'" if len(runs) == 1 else counted(len(runs), "layer")
    if first.store is None:
        return what
    return f"{what} to {first.store if len(runs) == 1 else first.store.parent}"


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
