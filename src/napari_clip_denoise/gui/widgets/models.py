"""The Models widget."""

from collections.abc import Callable
from pathlib import Path

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer, QUrl
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
from napari_clip_denoise.gui.panel.progress import ProgressRow
from napari_clip_denoise.gui.panel.tabs import share_place
from napari_clip_denoise.gui.panel.task import Task
from napari_clip_denoise.gui.workers.models import import_model, write_model
from napari_clip_denoise.models import library, registry
from napari_clip_denoise.models.card_view import FIXED, as_html
from napari_clip_denoise.models.export import SUFFIXES, Format
from napari_clip_denoise.models.folder import DEFAULT_MODEL, make_folder, models_folder

LIST_HEIGHT = 110
EXPORTS: dict[str, Format] = {
    "Model of this plugin (*.safetensors)": "safetensors",
    "ONNX (*.onnx)": "onnx",
    "BioImage Model Zoo (*.zip)": "bioimageio",
}
"""Formats by the filters of the file dialog."""
CODE = (
    "{} holds its network as TorchScript, which runs code that it holds whenever it is loaded. "
    "Import it only if you trust its authors. Import it?"
)
RENAME_TIP = "Give the model another name."
DELETE_TIP = "Delete the model permanently."


class ModelsWidget(QWidget):
    """Lists the models with their cards, and manages the user's own.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Not used; napari passes it to every widget.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__()
        share_place(self)
        self.list = QListWidget()
        self.list.setMaximumHeight(LIST_HEIGHT)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.currentItemChanged.connect(self._show_card)
        self.card = QTextBrowser()
        self.import_button = self._button(
            "Import …",
            "Add a model file (.safetensors), a package of the BioImage Model Zoo (.zip), or the "
            "checkpoint of the paper's authors (.pth).",
            self._ask_import,
        )
        self.export_button = self._button(
            "Export …",
            "Share a model: save it for colleagues, as ONNX, or for the BioImage Model Zoo.",
            self._ask_export,
        )
        self.rename_button = self._button("Rename …", RENAME_TIP, self._ask_rename)
        self.delete_button = self._button("Delete …", DELETE_TIP, self._ask_delete)
        self.folder_button = self._button(
            "Open models folder",
            "Open the folder that contains your own models.",
            self._open_folder,
        )
        self.buttons = QWidget()
        buttons = QGridLayout(self.buttons)
        buttons.setContentsMargins(0, 0, 0, 0)
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
        self._untrusted = Path()
        self.progress = ProgressRow()
        self.task = Task(self, self.progress, idle=(self.buttons,))
        layout = QVBoxLayout(self)
        layout.addWidget(self.list)
        layout.addWidget(self.card)
        layout.addWidget(self.buttons)
        layout.addWidget(self.progress)

    def _button(self, text: str, tip: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda: act())
        return button

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Update the list of models."""
        self.refresh()
        super().showEvent(event)

    @property
    def chosen(self) -> registry.Entry | None:
        """The selected model."""
        item = self.list.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def refresh(self, name: str | None = None) -> None:
        """List the models, and select one by name or keep the current selection."""
        before = self.chosen
        name = name or (before.name if before is not None else DEFAULT_MODEL)
        self.list.clear()
        for entry in registry.entries():
            item = QListWidgetItem(f"{entry.name}{_remark(entry)}")
            item.setToolTip(entry.name)
            item.setData(Qt.ItemDataRole.UserRole, entry)
            self.list.addItem(item)
            if entry.name == name:
                self.list.setCurrentItem(item)
        if self.list.currentItem() is None:
            self.list.setCurrentRow(0)

    def import_file(self, path: Path, trust: bool = False) -> None:
        """Import a model file, a package or a published checkpoint in the background.

        Parameters
        ----------
        path, trust :
            See `import_model`.
        """

        def finish(name: str | None) -> str:
            if name is not None:
                return self._imported(name)
            self._untrusted = path
            QTimer.singleShot(0, self._ask_trust)
            return f"{path.name} holds code; it is not imported yet."

        self.task.start(import_model, path, trust, finish=finish, message="Importing …")

    def export_file(
        self,
        name: str,
        path: Path,
        format: Format | None = None,  # noqa: A002
        overwrite: bool = False,
    ) -> None:
        """Export a model in the background.

        Parameters
        ----------
        name, path, format, overwrite :
            See `export_model`.
        """
        self.task.start(
            write_model,
            name,
            path,
            format,
            overwrite,
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
        is_whole = entry is not None
        try:
            self.card.setHtml("" if entry is None else as_html(entry))
        except ClipDenoiseError as error:
            self.card.setPlainText(str(error))
            is_whole = False
        self.export_button.setEnabled(is_whole)
        self.rename_button.setEnabled(is_own and is_whole)
        self.delete_button.setEnabled(is_own)
        self.rename_button.setToolTip(RENAME_TIP if is_own else FIXED)
        self.delete_button.setToolTip(DELETE_TIP if is_own else FIXED)

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Import a model", "", "Models (*.safetensors *.pth *.zip)"
        )
        if path:
            self.import_file(Path(path))

    def _ask_trust(self) -> None:
        path = self._untrusted
        if QMessageBox.question(self, "Import", CODE.format(path.name)) == (
            QMessageBox.StandardButton.Yes
        ):
            self.import_file(path, trust=True)

    def _ask_export(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        path, chosen = QFileDialog.getSaveFileName(self, "Export", entry.name, ";;".join(EXPORTS))
        if path:
            is_told = Path(path).suffix in SUFFIXES.values()
            kind = None if is_told else EXPORTS[chosen]
            self.export_file(entry.name, Path(path), kind, overwrite=is_told)

    def _ask_rename(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        name, is_given = QInputDialog.getText(self, "Rename", "New name:", text=entry.name)
        if is_given and name != entry.name:
            self._try(lambda: library.rename(entry.name, name), name)

    def _ask_delete(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        question = f"Delete the model '{entry.name}' permanently?"
        if QMessageBox.question(self, "Delete", question) == QMessageBox.StandardButton.Yes:
            self._try(lambda: library.delete(entry.name))

    def _open_folder(self) -> None:
        folder = models_folder()
        try:
            make_folder(folder)
        except ClipDenoiseError as error:
            self._complain(error)
            return
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self.progress.say(f"Your own models are in {folder}.")

    def _complain(self, error: ClipDenoiseError) -> None:
        self.progress.end(str(error), is_done=False)
        show_error(str(error))

    def _try(self, act: Callable[[], object], name: str | None = None) -> None:
        try:
            act()
        except ClipDenoiseError as error:
            self._complain(error)
        model_list.changed.emit()
        self.refresh(name)


def _remark(entry: registry.Entry) -> str:
    """Return a remark to show beside the name of a model."""
    if entry.origin == "bundled":
        return "  (built in)"
    try:
        entry.card  # noqa: B018 reading it tells whether the file is whole
    except ClipDenoiseError:
        return "  (damaged)"
    return ""
