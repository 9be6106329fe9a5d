"""Scrolling for panels that are taller than a small screen."""

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

WIDE_IN_LETTERS = 58
"""Preferred width of a panel."""


class Scrolled(QScrollArea):
    """Scrolls a panel vertically if it does not fit; it is never narrower than the panel.

    Parameters
    ----------
    content : QWidget
        The panel.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the width of the content and the scroll bar, and the least possible height."""
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return super().minimumSizeHint()
        width = content.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(width, super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a width at which the menus show their whole choices, where the screen has room."""
        width = WIDE_IN_LETTERS * self.fontMetrics().averageCharWidth()
        return super().sizeHint().expandedTo(QSize(width, 0))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Adapt the width when the content becomes wider."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)
