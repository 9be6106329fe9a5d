"""The base of panels that run something in the background."""

from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QHBoxLayout, QLayout, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.gui.panel.progress import ProgressRow
from napari_clip_denoise.gui.panel.scrolled import Scrolled
from napari_clip_denoise.gui.panel.tabs import share_place
from napari_clip_denoise.gui.panel.task import Task


class TaskPanel(QWidget):
    """A panel with a task, its progress and a Cancel button.

    Closing the panel, which removes it from the window, stops its tasks.

    Parameters
    ----------
    cancel_tip : str
        Tooltip of the Cancel button; it says what happens to the work done so far.

    Attributes
    ----------
    task : Task
        The background task. Add the widgets that depend on it with `Task.follow`.
    progress : ProgressRow
        Progress and outcome of the task.
    cancel_button : QPushButton
        Button that stops the task.
    """

    closed = Signal()
    """Emitted when the panel is removed from the window."""

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
        """True if the task is running."""
        return self.task.is_running

    def event(self, event: QEvent | None) -> bool:
        """Notice that the panel is removed from the window."""
        is_handled = super().event(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parentWidget() is None:
            for task in self.findChildren(Task):
                task.abandon()
            self.closed.emit()
        return is_handled

    def complain(self, error: Exception | str) -> None:
        """Tell the user of an error, both in the panel and in a notification, which may be cut."""
        if not self.is_running:
            self.progress.end(str(error), is_done=False)
        show_error(str(error))

    def lay_out(self, *items: QWidget | QLayout, last_grows: bool = False) -> None:
        """Arrange widgets and layouts from top to bottom in a column that scrolls.

        Parameters
        ----------
        *items : QWidget or QLayout
            Items from top to bottom.
        last_grows : bool
            Whether the last item fills the remaining space; otherwise that space stays empty.
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
    """Arrange widgets from left to right."""
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget)
    return layout
