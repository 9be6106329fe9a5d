"""A section of a form that is folded until it is needed."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLayout, QToolButton, QVBoxLayout, QWidget


class Folded(QWidget):
    """Shows its content after a click on its title.

    Parameters
    ----------
    title : str
        The title.
    content : QLayout
        Layout with the content.
    """

    def __init__(self, title: str, content: QLayout):
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setToolTip("Show or hide these settings.")
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.toggled.connect(self._show)
        self.content = QWidget()
        self.content.setLayout(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.content)
        self._show(False)

    def _show(self, is_open: bool) -> None:
        self.content.setVisible(is_open)
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
