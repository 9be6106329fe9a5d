"""A list whose entries can be ticked."""

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem


class Checklist(QListWidget):
    """Entries with a checkbox, a label and a value."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def offer(self, entries: Iterable[tuple[str, str]], chosen: Iterable[str]) -> None:
        """Replace the entries.

        Parameters
        ----------
        entries : iterable of (str, str)
            Label and value of each.
        chosen : iterable of str
            Values that are ticked.
        """
        self.clear()
        for label, value in entries:
            item = QListWidgetItem(label)
            item.setToolTip(label)
            item.setData(Qt.ItemDataRole.UserRole, value)
            self.addItem(item)
        self.choose(chosen)

    def choose(self, chosen: Iterable[str]) -> None:
        """Tick the entries with these values, and no others."""
        values = set(chosen)
        for item in self._items():
            is_chosen = item.data(Qt.ItemDataRole.UserRole) in values
            item.setCheckState(Qt.CheckState.Checked if is_chosen else Qt.CheckState.Unchecked)

    def values(self) -> list[str]:
        """Return the values of all entries, in order."""
        return [item.data(Qt.ItemDataRole.UserRole) for item in self._items()]

    def chosen(self) -> list[str]:
        """Return the values of the ticked entries, in order."""
        return [
            item.data(Qt.ItemDataRole.UserRole)
            for item in self._items()
            if item.checkState() == Qt.CheckState.Checked
        ]

    def _items(self) -> list[QListWidgetItem]:
        items = (self.item(row) for row in range(self.count()))
        return [item for item in items if item is not None]
