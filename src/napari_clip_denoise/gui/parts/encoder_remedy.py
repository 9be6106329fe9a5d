"""Help for models that hold only a decoder if CLIP's encoder is not on this computer."""

from collections.abc import Callable, Generator
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.formatting import format_bytes
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.panel.progress import ProgressRow
from napari_clip_denoise.gui.panel.task import Task
from napari_clip_denoise.gui.workers.relay import relay
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.models.clip_source import ClipSource

WORDS = (
    "This model needs the encoder of {}, which is not on this computer yet. "
    "Download it once, or choose a local copy:"
)
Bytes = tuple[float, float]
"""Number of bytes downloaded, and in total."""


class EncoderRemedy(QWidget):
    """Offers to download CLIP's encoder, or to copy it from a file.

    Parameters
    ----------
    ready : callable
        Called once the encoder is available.
    """

    def __init__(self, ready: Callable[[], object]):
        super().__init__()
        self._ready = ready
        self._source = ClipSource()
        self.download_button = QPushButton("Download")
        self.download_button.setToolTip(
            "Download it from the Hugging Face Hub, once (400 MB for RN50)."
        )
        self.download_button.clicked.connect(lambda: self.fetch(None))
        self.file_button = QPushButton("Choose a file …")
        self.file_button.setToolTip("Select a file with these weights; the encoder is copied.")
        self.file_button.clicked.connect(self._choose_file)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; the part that was downloaded so far is discarded.")
        self.progress = ProgressRow()
        self.task = Task(
            self,
            self.progress,
            idle=(self.download_button, self.file_button),
            busy=(self.cancel_button,),
        )
        self.cancel_button.clicked.connect(self.task.cancel)
        self.words = QLabel(WORDS.format(self._source.words))
        self.words.setWordWrap(True)
        buttons = QHBoxLayout()
        for button in (self.download_button, self.file_button, self.cancel_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)

    def offer(self, source: ClipSource) -> None:
        """Offer the encoder of these weights."""
        self._source = source
        self.words.setText(WORDS.format(source.words))

    def fetch(self, path: Path | None) -> None:
        """Get the encoder in the background, from a file or, if `path` is None, from the hub."""
        cancel = CancelToken()
        self.task.start(
            fetch_encoder,
            path,
            self._source,
            cancel,
            control=cancel,
            take=self._take,
            finish=lambda _: self._finish(),
            give_up=lambda: "Cancelled; the encoder is still missing.",
        )

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "CLIP's weights", "", "Weights (*.safetensors *.bin *.pt)"
        )
        if path:
            self.fetch(Path(path))

    def _take(self, messages: tuple[Bytes, ...]) -> None:
        for done, total in messages[-1:]:
            self.task.show(
                done / total if total else 0,
                f"{format_bytes(int(done))} of {format_bytes(int(total))}",
            )

    def _finish(self) -> str:
        self._ready()
        return "The encoder is ready."


def fetch_encoder(
    path: Path | None, source: ClipSource, cancel: CancelToken
) -> Generator[tuple[Bytes, ...], None, None]:
    """Copy CLIP's encoder from a file, or download it, in a separate thread.

    Parameters
    ----------
    path : Path or None
        File with the weights; None downloads them.
    source : ClipSource
        Which weights.
    cancel : CancelToken
        Token that stops the download.

    Yields
    ------
    tuple of (float, float)
        Number of bytes downloaded, and in total.
    """

    def work(report: Callable[[Bytes], None]) -> None:
        keep_triton_out()
        from napari_clip_denoise.models.clip_encoder import keep_clip_encoder, load_clip_encoder

        def advance(done: float, total: float) -> None:
            cancel.check()
            report((done, total))

        encoder = load_clip_encoder(path, source=source, advance=advance)
        if path is not None:
            keep_clip_encoder(encoder, source)

    yield from relay(work, cancel)
