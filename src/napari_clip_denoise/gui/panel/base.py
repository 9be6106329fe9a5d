"""The base of panels that run something in the background."""

from qtpy.QtWidgets import QHBoxLayout, QLayout, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.gui.panel.progress import ProgressRow
from napari_clip_denoise.gui.panel.scrolled import Scrolled
from napari_clip_denoise.gui.panel.tabs import share_place
from napari_clip_denoise.gui.panel.task import Task


class TaskPanel(QWidget):
    """A panel with a task, its progress and a Cancel button.

    Parameters
    ----------
    cancel_tip : str
        Tooltip of the Cancel button: what happens to the work done so far.

    Attributes
    ----------
    task : Task
        What runs in the background. Add the widgets that depend on it with `Task.follow`.
    progress : ProgressRow
        How far the task is, and what became of it.
    cancel_button : QPushButton
        Stops the task.
    """

    def __init__(self, cancel_tip: str):
        super().__init__()
        share_place(self)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip(cancel_tip)
        self.progress = ProgressRow()
        self.task = Task(self, self.progress, busy=(self.cancel_button,))
        self.cancel_button.clicked.connect(self.task.cancel)

    @property
    def is_running(self) -> bool:
        """Whether the task is running."""
        return self.task.is_running

    def lay_out(self, *items: QWidget | QLayout, last_grows: bool = False) -> None:
        """Put widgets and layouts below each other, in a column that scrolls.

        Parameters
        ----------
        *items : QWidget or QLayout
            From top to bottom.
        last_grows : bool
            Whether the last one takes the room that is left; otherwise it stays empty.
        """
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in items:
            if isinstance(item, QLayout):
                layout.addLayout(item)
            else:
                layout.addWidget(item)
        if last_grows:
            layout.setStretch(len(items) - 1, 1)
        layout.addStretch()
        QVBoxLayout(self).addWidget(Scrolled(content))


def in_a_row(*widgets: QWidget) -> QHBoxLayout:
    """Lay widgets out from left to right."""
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget)
    return layout
