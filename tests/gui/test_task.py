import time
from threading import Event

import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.gui.panel.progress import ProgressRow
from napari_clip_denoise.gui.panel.task import Task

WAIT = 20
"""Seconds for a thread to begin or to end."""


class Panel(QWidget):
    """A widget with a task that shows what its work yields in a bar."""

    def __init__(self):
        super().__init__()
        self.progress = ProgressRow()
        QVBoxLayout(self).addWidget(self.progress)
        self.task = Task(self, self.progress)


def delete_at_once(widget):
    """Delete a widget before the events that wait for it are handled."""
    kind = QEvent.Type.DeferredDelete
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(widget, getattr(kind, "value", kind))  # a number in PyQt5


@pytest.mark.parametrize("end", [None, Cancelled("over"), ValueError("broken")], ids=repr)
@pytest.mark.parametrize("ends_first", [True, False])
def test_what_is_on_its_way_does_not_reach_a_panel_that_was_deleted(qtbot, end, ends_first):
    panel = Panel()
    task, taken = panel.task, []
    begun, may_end, ended = Event(), Event(), Event()

    def work():
        yield "first"
        begun.set()
        assert may_end.wait(WAIT)
        ended.set()
        if end is not None:
            raise end

    def let_it_end():
        may_end.set()
        assert ended.wait(WAIT)
        time.sleep(0.2)

    task.start(work, take=taken.append, finish=lambda _: "Done.", give_up=lambda: "Over.")
    assert begun.wait(WAIT)
    if ends_first:
        let_it_end()
    delete_at_once(panel)
    assert task.control.is_cancelled
    let_it_end()
    with qtbot.captureExceptions() as exceptions:
        qtbot.wait(100)
    assert not exceptions
    assert not taken
