"""Help for the paper's network if it does not have a decoder yet."""

from collections.abc import Callable
from pathlib import Path

from magicgui.widgets import FileEdit, FloatSpinBox
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.gui.forms.rows import labelled
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.panel.progress import ProgressRow
from napari_clip_denoise.gui.panel.task import Task
from napari_clip_denoise.gui.workers.build import Building, build_steps, describe, say_scores
from napari_clip_denoise.gui.workers.models import import_model
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.models.folder import CLIP_MODEL

AUTHORS_PAGE = "https://github.com/alwaysuu/CLIPDenoising"
LINK = "#4a90d9"
"""Link colour that is readable on napari's dark and light backgrounds."""
FETCHING = "Loading CLIP's encoder and timing a few steps …"


class ClipRemedy(QWidget):
    """Explains why ``clip-rn50`` cannot be used yet, and offers solutions.

    Parameters
    ----------
    ready : callable
        Called once the model is available.
    """

    def __init__(self, ready: Callable[[], object]):
        super().__init__()
        self._ready = ready
        self.minutes = FloatSpinBox(
            value=60,
            min=0.01,
            max=10_000,
            step=10,
            tooltip="How long to train; a longer training gives a better model.",
        )
        self.weights = FileEdit(
            filter="CLIP RN50 (*.safetensors *.bin *.pt)",
            nullable=True,
            value=None,
            tooltip="Optional: a local copy of CLIP's RN50 weights. If left empty, they are "
            "downloaded once (about 400 MB).",
        )
        self.build_button = QPushButton("Train it here")
        self.build_button.setToolTip(
            "Train a decoder on simulated images and on the photographs included with scikit-image."
        )
        self.build_button.clicked.connect(self.build)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip(
            "Stop for now; the next training continues from the last checkpoint."
        )
        self.import_button = QPushButton("Import a checkpoint …")
        self.import_button.setToolTip("Select the authors' net_g_latest.pth on this computer.")
        self.import_button.clicked.connect(self._choose_file)
        self.progress = ProgressRow()
        self.task = Task(
            self,
            self.progress,
            idle=(
                self.minutes.native,
                self.weights.native,
                self.build_button,
                self.import_button,
            ),
            busy=(self.cancel_button,),
        )
        self.cancel_button.clicked.connect(self.task.cancel)
        self._lay_out()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.build_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            _text(
                f"<b>{CLIP_MODEL}</b> is the paper's network. Its decoder is not included "
                "with this plugin. Train one on this computer:"
            )
        )
        layout.addLayout(
            labelled(("Training time (min)", self.minutes), ("CLIP weights", self.weights))
        )
        layout.addLayout(buttons)
        layout.addWidget(
            _text(
                "or import <i>net_g_latest.pth</i>, which the authors publish on "
                f"<a style='color:{LINK}' href='{AUTHORS_PAGE}'>{AUTHORS_PAGE.removeprefix('https://')}</a>:"
            )
        )
        layout.addWidget(self.import_button)
        layout.addWidget(self.progress)

    def build(self) -> None:
        """Train a decoder on this computer in the background."""
        text = self.weights.line_edit.value.strip()
        cancel = CancelToken()
        self.task.start(
            build_steps,
            self.minutes.value,
            Path(text).expanduser() if text else None,
            cancel,
            control=cancel,
            take=self._take,
            finish=self._built,
            give_up=lambda: "Cancelled; the next training continues from the last checkpoint.",
            message=FETCHING,
        )

    def import_file(self, path: Path) -> None:
        """Import a published checkpoint in the background."""
        self.task.start(import_model, path, finish=self._imported, message="Importing …")

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Import the authors' checkpoint", "", "Checkpoint (*.pth)"
        )
        if path:
            self.import_file(Path(path))

    def _take(self, messages: tuple[Building, ...]) -> None:
        for building in messages[-1:]:
            self.task.show(building.steps.done / building.steps.total, describe(building))

    def _built(self, scores: tuple[float, ...]) -> str:
        self._offer()
        return _tell(f"'{CLIP_MODEL}' is ready. PSNR on simulated images: {say_scores(scores)}.")

    def _imported(self, name: str) -> str:
        self._offer()
        return _tell(f"Imported '{name}'.")

    def _offer(self) -> None:
        model_list.changed.emit()
        self._ready()


def _tell(message: str) -> str:
    """Also show a notification, because the panel disappears once the model is available."""
    show_info(message)
    return message


def _text(words: str) -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    label.setOpenExternalLinks(True)
    return label
