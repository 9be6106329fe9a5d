"""The Denoise files widget."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QPushButton

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.formats.outputs import Source, each_image, without_results
from napari_clip_denoise.formatting import counted, image_label, progress_line
from napari_clip_denoise.gui.forms.files import BatchForm
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.panel.base import TaskPanel, in_a_row
from napari_clip_denoise.gui.parts.results_table import ResultsTable
from napari_clip_denoise.gui.workers.relay import relay
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import DenoiseSettings

LEAST_TABLE_HEIGHT = 150
MAX_REASONS = 3


@dataclass(frozen=True)
class BatchRequest:
    """Files to denoise, and the folder for the results; see `denoise_files`."""

    sources: list[Source]
    folder: Path
    settings: DenoiseSettings
    suffix: str | None
    existing: Any
    keep_folders: tuple[Path, ...] = ()


def batch_steps(
    request: BatchRequest, cancel: CancelToken
) -> Generator[tuple[Any, ...], None, None]:
    """Denoise files in a separate thread.

    Parameters
    ----------
    request : BatchRequest
        The files to denoise.
    cancel : CancelToken
        Token that stops the work; closing the generator does the same.

    Yields
    ------
    tuple of list of Source, BatchProgress, FileResult or str
        New messages, possibly none: first the images in the files; a string is a notice for the
        user.
    """

    def work(report: Any) -> None:
        keep_triton_out()
        from napari_clip_denoise.inference.batch import denoise_files

        images = without_results(
            each_image(one.path for one in request.sources),
            request.folder,
            request.suffix,
            request.keep_folders,
        )
        report(images)
        for result in denoise_files(
            images,
            request.folder,
            request.settings,
            suffix=request.suffix,
            existing=request.existing,
            keep_folders=request.keep_folders,
            progress=report,
            cancel=cancel,
            notify=report,
        ):
            report(result)

    return (yield from relay(work, cancel))


class BatchWidget(TaskPanel):
    """Denoises files in the background, one after the other, into a folder."""

    def __init__(self) -> None:
        super().__init__("Stop now; finished files are kept.")
        self._at_work: tuple[Path, str] | None = None
        self._failures: list[str] = []
        self._notices: list[str] = []

        self.form = BatchForm()
        self.run_button = QPushButton("Denoise files")
        self.run_button.setToolTip(
            "Denoise the files into the folder; the originals are never changed."
        )
        self.run_button.clicked.connect(self.run)
        self.task.follow(idle=(self.form, self.run_button))
        self.table = ResultsTable()
        self.table.setMinimumHeight(LEAST_TABLE_HEIGHT)

        buttons = in_a_row(self.run_button, self.cancel_button)
        self.lay_out(self.form, buttons, self.progress, self.table, last_grows=True)
        for field in (self.form.inputs, self.form.pattern):
            field.native.editingFinished.connect(self.list_files)
        for button in (self.form.folder_button, self.form.files_button):
            button.changed.connect(self.list_files)

    def list_files(self) -> None:
        """Show the images that would be denoised."""
        if self.is_running or not self.form.inputs.value.strip():
            return
        try:
            sources = self.form.chosen_sources()
        except ClipDenoiseError as error:
            self.table.list_files([])
            self.progress.end(str(error), is_done=False)
            return
        self.table.list_files(sources)
        self.progress.end(f"{counted(len(sources), 'image')} found.", is_done=False)

    def run(self) -> None:
        """Start denoising with the settings of the form."""
        if self.is_running:
            return
        form = self.form
        try:
            request = BatchRequest(
                form.chosen_sources(),
                form.chosen_folder(),
                form.settings(),
                form.format.value,
                form.existing.value,
                form.kept_folders(),
            )
        except ClipDenoiseError as error:
            self.complain(error)
            return
        self.table.list_files(request.sources)
        self._failures, self._notices, self._at_work = [], [], None
        cancel = CancelToken()
        self.task.start(
            batch_steps,
            request,
            cancel,
            control=cancel,
            take=self._take,
            finish=self._finish,
            give_up=self._give_up,
        )

    def _take(self, messages: tuple[Any, ...]) -> None:
        for message in messages:
            self._show(message)

    def _show(self, message: Any) -> None:
        from napari_clip_denoise.inference.batch import BatchProgress, FileResult

        if isinstance(message, str):
            self._notices.append(message)
            show_info(message)
        elif isinstance(message, list):
            self.table.list_files(message)
        elif isinstance(message, FileResult):
            self._at_work = None
            if message.state == "failed":
                name, reason = image_label(message.source.name, message.image), message.message
                self._failures.append(reason if name in reason else f"{name}: {reason}")
            self.table.show_state(
                message.source,
                message.state,
                seconds=None if message.state == "skipped" else message.seconds,
                details=message.message or str(message.output),
                verdict=message.verdict,
                image=message.image,
            )
        elif isinstance(message, BatchProgress):
            self._at_work = (message.source, message.image)
            state = f"{100 * message.file_done:.0f} %"
            self.table.show_state(message.source, state, image=message.image)
            files = f"{int(message.done)} of {counted(message.total, 'file')}"
            parts = [message.message] if message.message else []
            words = progress_line(files, *parts, seconds_left=message.seconds_left)
            self.task.show(message.done / message.total, words)

    def _finish(self, _: object) -> str:
        summary = self._summary()
        (show_error if self._failures else show_info)(summary)
        return summary

    def _give_up(self) -> str:
        if self._at_work is not None:
            path, image = self._at_work
            self.table.show_state(path, "cancelled", image=image)
        return f"Cancelled. {self._summary()}"

    def _summary(self) -> str:
        states = self.table.states()
        counts = [f"{states.count(state)} {state}" for state in ("done", "skipped", "failed")]
        summary = f"{counted(len(states), 'file')}: {', '.join(counts)}."
        return "\n".join([summary, *self._notices, *self._failures[:MAX_REASONS]])
