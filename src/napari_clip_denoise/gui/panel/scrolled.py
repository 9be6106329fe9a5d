"""Room for panels that are taller than a small screen."""

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class Scrolled(QScrollArea):
    """Scrolls a panel up and down where it does not fit; it is never narrower than the panel.

    Parameters
    ----------
    content : QWidget
        What is scrolled.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As wide as the content and the scroll bar, and as low as one likes."""
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return super().minimumSizeHint()
        width = content.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(width, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the content where it becomes wider."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)
