"""The Models widget."""

from collections.abc import Callable
from pathlib import Path

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.progress_row import ProgressRow
from napari_clip_denoise.gui.tabs import share_place
from napari_clip_denoise.gui.task import Task
from napari_clip_denoise.gui.workers import import_model, write_model
from napari_clip_denoise.models import registry
from napari_clip_denoise.models.card_text import facts_of
from napari_clip_denoise.models.export import SUFFIXES, Format

LIST_HEIGHT = 110
EXPORTS: dict[str, Format] = {
    "Models of this plugin (*.safetensors)": "safetensors",
    "ONNX (*.onnx)": "onnx",
    "BioImage Model Zoo (*.zip)": "bioimageio",
}
"""The file dialog's filters and their formats."""


class ModelsWidget(QWidget):
    """Lists the models with their cards, and manages the user's own.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Not used; napari hands it to every widget.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__()
        share_place(self)
        self.list = QListWidget()
        self.list.setMaximumHeight(LIST_HEIGHT)
        self.list.currentItemChanged.connect(self._show_card)
        self.card = QTextBrowser()
        self.import_button = self._button(
            "Import …",
            "Add a model file, or a checkpoint of the paper's authors (.pth).",
            self._ask_import,
        )
        self.export_button = self._button(
            "Export …",
            "Save the model for colleagues, as ONNX, or for the BioImage Model Zoo.",
            self._ask_export,
        )
        self.progress = ProgressRow()
        self.task = Task(self, self.progress, idle=(self.import_button, self.export_button))
        self.rename_button = self._button(
            "Rename …", "Give one of your own models another name.", self._ask_rename
        )
        self.delete_button = self._button(
            "Delete …", "Delete one of your own models for good.", self._ask_delete
        )
        self.folder_button = self._button(
            "Show the folder", "Open the folder of your own models.", self._open_folder
        )
        buttons = QGridLayout()
        for place, button in enumerate(
            (
                self.import_button,
                self.export_button,
                self.rename_button,
                self.delete_button,
            )
        ):
            buttons.addWidget(button, place // 2, place % 2)
        buttons.addWidget(self.folder_button, 2, 0, 1, 2)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list)
        layout.addWidget(self.card)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)

    def _button(self, text: str, tip: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda: act())
        return button

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Look for models anew."""
        self.refresh()
        super().showEvent(event)

    @property
    def chosen(self) -> registry.Entry | None:
        """The selected model."""
        item = self.list.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def refresh(self, name: str | None = None) -> None:
        """List the models, and select one by its name or the one that was selected."""
        before = self.chosen
        name = name or (before.name if before is not None else registry.DEFAULT_MODEL)
        self.list.clear()
        for entry in registry.entries():
            suffix = "" if entry.origin == "user" else "   (comes with the plugin)"
            item = QListWidgetItem(entry.name + suffix)
            item.setData(Qt.ItemDataRole.UserRole, entry)
            self.list.addItem(item)
            if entry.name == name:
                self.list.setCurrentItem(item)
        if self.list.currentItem() is None:
            self.list.setCurrentRow(0)

    def import_file(self, path: Path) -> None:
        """Import a model file or a published checkpoint in the background."""
        self.task.start(import_model, path, finish=self._imported, message="Importing …")

    def export_file(self, name: str, path: Path, format: Format | None = None) -> None:  # noqa: A002
        """Export a model in the background, see `export_model`."""
        self.task.start(
            write_model,
            name,
            path,
            format,
            finish=lambda written: f"Saved {written}.",
            message="Exporting …",
        )

    def _imported(self, name: str) -> str:
        model_list.changed.emit()
        self.refresh(name)
        return f"Imported '{name}'."

    def _show_card(self) -> None:
        entry = self.chosen
        is_own = entry is not None and entry.origin == "user"
        self.rename_button.setEnabled(is_own)
        self.delete_button.setEnabled(is_own)
        try:
            self.card.setHtml("" if entry is None else describe(entry))
        except ClipDenoiseError as error:
            self.card.setPlainText(str(error))

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Import a model", "", "Models (*.safetensors *.pth)"
        )
        if path:
            self.import_file(Path(path))

    def _ask_export(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        path, chosen = QFileDialog.getSaveFileName(self, "Export", entry.name, ";;".join(EXPORTS))
        if path:
            is_told = Path(path).suffix in SUFFIXES.values()
            self.export_file(entry.name, Path(path), None if is_told else EXPORTS[chosen])

    def _ask_rename(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        name, is_given = QInputDialog.getText(self, "Rename", "New name:", text=entry.name)
        if is_given and name != entry.name:
            self._try(lambda: registry.rename(entry.name, name), name)

    def _ask_delete(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        question = f"Delete the model '{entry.name}' for good?"
        if QMessageBox.question(self, "Delete", question) == QMessageBox.StandardButton.Yes:
            self._try(lambda: registry.delete(entry.name))

    def _open_folder(self) -> None:
        folder = registry.models_folder()
        folder.mkdir(parents=True, exist_ok=True)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _try(self, act: Callable[[], object], name: str | None = None) -> None:
        try:
            act()
        except ClipDenoiseError as error:
            show_error(str(error))
        self.refresh(name)


def describe(entry: registry.Entry) -> str:
    """Write a model's card as a short page."""
    card = entry.card
    rows = facts_of(card) | {"file": str(entry.path)}
    facts = "".join(f"<p><b>{name}:</b> {text}</p>" for name, text in rows.items() if text)
    scores = "".join(
        f"<tr><td>{score.data}, {score.noise}</td>"
        f"<td>{score.noisy:.2f} → {score.denoised:.2f}</td></tr>"
        for score in card.scores
    )
    table = f"<p><b>scores</b> (PSNR in dB, before and after)</p><table>{scores}</table>"
    return f"<h3>{entry.name}</h3><p>{card.description}</p>{facts}{table if scores else ''}"
