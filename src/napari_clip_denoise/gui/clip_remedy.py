"""What to do where the paper's network has no decoder yet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.errors import in_words
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.models.registry import CLIP_MODEL

GUIDE = "https://github.com/napari-clip-denoise/napari-clip-denoise/blob/main/docs/models.md"


class ClipRemedy(QWidget):
    """Explains why ``clip-rn50`` cannot be used yet, and offers what helps.

    Parameters
    ----------
    imported : callable
        Called once a checkpoint was imported.
    """

    def __init__(self, imported: Callable[[], object]):
        super().__init__()
        self._imported = imported
        self._worker: Any = None
        text = QLabel(
            "<b>clip-rn50</b> is the paper's network. Its decoder does not come with this plugin: "
            "import the checkpoint that the authors publish (net_g_latest.pth), or train one."
        )
        text.setWordWrap(True)
        self.import_button = QPushButton("Import a checkpoint …")
        self.import_button.setToolTip("Choose the authors' net_g_latest.pth on this computer.")
        self.import_button.clicked.connect(self._choose_file)
        self.guide_button = QPushButton("How to get one")
        self.guide_button.setToolTip(GUIDE)
        self.guide_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(GUIDE)))
        buttons = QHBoxLayout()
        buttons.addWidget(self.import_button)
        buttons.addWidget(self.guide_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(text)
        layout.addLayout(buttons)

    def import_file(self, path: Path) -> None:
        """Import a published checkpoint in the background."""
        self._worker = create_worker(_import, path, _start_thread=False, _ignore_errors=True)
        self._worker.returned.connect(self._done)
        self._worker.errored.connect(self._fail)
        self._worker.finished.connect(lambda: self.import_button.setEnabled(True))
        self.import_button.setEnabled(False)
        self._worker.start()

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Import the authors' checkpoint", "", "Checkpoint (*.pth)"
        )
        if path:
            self.import_file(Path(path))

    def _done(self, name: str) -> None:
        show_info(f"Imported '{name}'.")
        self._imported()

    def _fail(self, error: Exception) -> None:
        show_error(in_words(error))


def _import(path: Path) -> str:
    keep_triton_out()
    from napari_clip_denoise.models.published import import_published
    from napari_clip_denoise.models.registry import install

    install(import_published(path, CLIP_MODEL))
    return CLIP_MODEL
