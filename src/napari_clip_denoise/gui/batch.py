"""The Denoise files widget."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, in_words
from napari_clip_denoise.gui.batch_form import BatchForm
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.progress_row import ProgressRow
from napari_clip_denoise.gui.results_table import ResultsTable
from napari_clip_denoise.gui.workers import relay
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.text import format_seconds

LEAST_TABLE_HEIGHT = 150
MAX_REASONS = 3


@dataclass(frozen=True)
class BatchRequest:
    """What to denoise, and where the results go; see `denoise_files`."""

    sources: list[Path]
    folder: Path
    settings: DenoiseSettings
    suffix: str | None
    existing: Any


def batch_steps(
    request: BatchRequest, cancel: CancelToken
) -> Generator[tuple[Any, ...], None, None]:
    """Denoise files in a thread of its own.

    Yields
    ------
    tuple of BatchProgress or FileResult
        What is new, perhaps nothing.
    """

    def work(report: Any) -> None:
        keep_triton_out()
        from napari_clip_denoise.inference.batch import denoise_files

        for result in denoise_files(
            request.sources,
            request.folder,
            request.settings,
            suffix=request.suffix,
            existing=request.existing,
            progress=report,
            cancel=cancel,
        ):
            report(result)

    return (yield from relay(work, cancel))


class BatchWidget(QWidget):
    """Denoises files in the background, one after the other, into a folder."""

    def __init__(self) -> None:
        super().__init__()
        self._worker: Any = None
        self._cancel = CancelToken()
        self._at_work: Path | None = None
        self._failures: list[str] = []

        self.form = BatchForm()
        self.run_button = QPushButton("Denoise files")
        self.run_button.setToolTip("Denoise into the folder; the files are never changed.")
        self.run_button.clicked.connect(self.run)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop now; files that are finished are kept.")
        self.cancel_button.setEnabled(False)
        self.cancel_button.clicked.connect(self.cancel)
        self.progress = ProgressRow()
        self.table = ResultsTable()
        self.table.setMinimumHeight(LEAST_TABLE_HEIGHT)

        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.form)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.table, stretch=1)
        for field in (self.form.inputs, self.form.pattern):
            field.native.editingFinished.connect(self.list_files)
        for button in (self.form.folder_button, self.form.files_button):
            button.changed.connect(self.list_files)
        self.destroyed.connect(self._cancel.cancel)

    @property
    def is_running(self) -> bool:
        """Whether a batch goes on."""
        return self._worker is not None

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
        self.progress.end(f"Images found: {len(sources)}", is_done=False)

    def run(self) -> None:
        """Begin to denoise with the settings of the form."""
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
            )
        except ClipDenoiseError as error:
            show_error(str(error))
            return
        self.table.list_files(request.sources)
        self._failures = []
        self._cancel = CancelToken()
        self.destroyed.connect(self._cancel.cancel)
        self._worker = create_worker(
            batch_steps, request, self._cancel, _start_thread=False, _ignore_errors=True
        )
        self._worker.yielded.connect(self._take)
        self._worker.returned.connect(self._finish)
        self._worker.errored.connect(self._fail)
        self._set_running(True)
        self.progress.begin()
        self._worker.start()

    def cancel(self) -> None:
        """Stop the batch; it ends within a second or two."""
        self._cancel.cancel()
        self.cancel_button.setEnabled(False)
        self.progress.label.setText("Cancelling …")

    def _take(self, messages: tuple[Any, ...]) -> None:
        for message in messages:
            self._show(message)

    def _show(self, message: Any) -> None:
        from napari_clip_denoise.inference.batch import BatchProgress, FileResult

        if isinstance(message, FileResult):
            self._at_work = None
            if message.state == "failed":
                name, reason = message.source.name, message.message
                self._failures.append(reason if name in reason else f"{name}: {reason}")
            self.table.show_state(
                message.source,
                message.state,
                seconds=None if message.state == "skipped" else message.seconds,
                details=message.message or str(message.output),
            )
        elif isinstance(message, BatchProgress) and not self._cancel.is_cancelled:
            self._at_work = message.source
            self.table.show_state(message.source, f"{100 * message.file_done:.0f} %")
            left = message.seconds_left
            self.progress.show_share(
                message.done / message.total,
                f"{int(message.done)} of {message.total} files"
                + (f" · {format_seconds(left)} left" if left is not None else ""),
            )

    def _finish(self, _: object = None) -> None:
        self._rest(self._summary(), is_done=True)
        (show_error if self._failures else show_info)(self._summary())

    def _fail(self, error: Exception) -> None:
        if self._at_work is not None:
            self.table.show_state(self._at_work, "cancelled")
        if isinstance(error, Cancelled):
            self._rest(f"Cancelled: {self._summary()}", is_done=False)
            return
        message = in_words(error)
        self._rest(message, is_done=False)
        show_error(message)

    def _summary(self) -> str:
        states = self.table.states()
        counts = [f"{states.count(state)} {state}" for state in ("done", "skipped", "failed")]
        lines = [f"{', '.join(counts)} of {len(states)} files.", *self._failures[:MAX_REASONS]]
        return "\n".join(lines)

    def _rest(self, message: str, *, is_done: bool) -> None:
        self._worker = None
        self._at_work = None
        self._set_running(False)
        self.progress.end(message, is_done=is_done)

    def _set_running(self, is_running: bool) -> None:
        self.form.setEnabled(not is_running)
        self.run_button.setEnabled(not is_running)
        self.cancel_button.setEnabled(is_running)
