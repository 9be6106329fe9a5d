"""Table of the files of a batch and their states."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_clip_denoise.formats.outputs import Source
from napari_clip_denoise.formatting import format_seconds, image_label

COLUMNS = ("File", "Status", "Time", "Check")
WAITING = "waiting"


class ResultsTable(QTableWidget):
    """Table with one row for each image."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self._cells: dict[tuple[Path, str], list[QTableWidgetItem]] = {}
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        if (rows := self.verticalHeader()) is not None:
            rows.setVisible(False)
        if (header := self.horizontalHeader()) is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            for column in (0, len(COLUMNS) - 1):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)

    def list_files(self, sources: Sequence[Source]) -> None:
        """Replace the content by images that are waiting."""
        self.setRowCount(len(sources))
        self._cells = {}
        for one in sources:
            texts = (image_label(one.path.name, one.image), WAITING, "", "")
            self._cells[one.path, one.image] = [QTableWidgetItem(text) for text in texts]
        for row, ((path, _), cells) in enumerate(self._cells.items()):
            cells[0].setToolTip(str(path))
            for column, cell in enumerate(cells):
                self.setItem(row, column, cell)

    def show_state(
        self,
        path: Path,
        state: str,
        *,
        seconds: float | None = None,
        details: str = "",
        verdict: str = "",
        image: str = "",
    ) -> None:
        """Show the state of a file.

        Parameters
        ----------
        path : Path
            The file.
        state : str
            Its state in words.
        seconds : float, optional
            Computing time in seconds.
        details : str
            Tooltip of the state.
        verdict : str
            What the check of the result found, as a sentence.
        image : str
            What tells the image from the others of the file.
        """
        name, state_cell, time_cell, check_cell = self._cells[path, image]
        check_cell.setText(verdict)
        check_cell.setToolTip(verdict)
        state_cell.setText(state)
        state_cell.setToolTip(details)
        time_cell.setText("" if seconds is None else format_seconds(seconds))
        if verdict:
            self.resizeRowToContents(name.row())
        self.scrollToItem(name)

    def states(self) -> list[str]:
        """Return the states of all files, in order."""
        return [state.text() for _, state, *_ in self._cells.values()]
