"""Names on the tiles of napari's grid."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QLabel, QWidget

from napari_clip_denoise.gui.viewer.tiles import Cell

MILLISECONDS = 200
MARGIN = 6
STYLE = "background: rgba(0, 0, 0, 170); color: white; padding: 2px 5px;"


class TileNames(QObject):
    """Shows labels on the canvas while there are tiles.

    They are widgets of Qt above the canvas: texts that napari draws itself crashed some versions of
    Mesa once their layer was removed.

    Parameters
    ----------
    panel : QWidget
        A panel in napari's window.
    cells : callable
        Returns the cells to name, which may change at any time.
    """

    def __init__(self, panel: QWidget, cells: Callable[[], Sequence[Cell]]) -> None:
        super().__init__(panel)
        self._panel, self._cells = panel, cells
        self._shown: tuple[object, ...] = ()
        self.labels: list[QLabel] = []
        self._timer = QTimer(self)
        self._timer.setInterval(MILLISECONDS)
        self._timer.timeout.connect(self.refresh)

    def refresh(self) -> None:
        """Show the names of the cells as they are now, and follow them until `clear`."""
        self._timer.start()
        cells, canvas = self._cells(), self._canvas()
        state = () if canvas is None else (*cells, canvas.width(), canvas.height())
        if state != self._shown:
            self._remove()
            self.labels = [] if canvas is None else [self._label(cell, canvas) for cell in cells]
            self._shown = state

    def clear(self) -> None:
        """Remove all names."""
        self._timer.stop()
        self._remove()

    def _remove(self) -> None:
        for label in self.labels:
            label.hide()
            label.deleteLater()
        self.labels, self._shown = [], ()

    def _label(self, cell: Cell, canvas: QWidget) -> QLabel:
        label = QLabel(canvas)
        label.setStyleSheet(STYLE)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        room = canvas.width() // cell.columns - 4 * MARGIN
        label.setToolTip(cell.name)
        label.setText(label.fontMetrics().elidedText(cell.name, Qt.TextElideMode.ElideMiddle, room))
        label.move(
            cell.column * canvas.width() // cell.columns + MARGIN,
            cell.row * canvas.height() // cell.rows + MARGIN,
        )
        label.show()
        return label

    def _canvas(self) -> QWidget | None:
        """Return the largest canvas in the window, which a floating panel is not part of."""
        top = self._panel
        while (parent := top.parentWidget()) is not None:
            top = parent
        canvases = [x for x in top.findChildren(QOpenGLWidget) if x.isVisible()]
        return max(canvases, key=lambda each: each.width() * each.height(), default=None)
