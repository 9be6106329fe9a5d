import threading

import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.gui.progress_row import ProgressRow
from napari_clip_denoise.gui.task import Task


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


def work_on(steps):
    for step in range(3):
        yield step
        steps.release()


def work_then_return(steps):
    steps.release()
    yield 0
    return 1


def work_then_fail(steps):
    steps.release()
    yield 0
    raise Cancelled("over")


@pytest.mark.parametrize("work", [work_on, work_then_return, work_then_fail])
def test_what_is_on_its_way_does_not_reach_a_panel_that_was_deleted(qtbot, work):
    panel = Panel()
    steps, taken, ended = threading.Semaphore(0), [], threading.Event()
    task = panel.task

    def take(message):
        taken.append(message)
        panel.task.show(0.5, "half")

    task.start(work, steps, take=take, finish=lambda _: "Done.", give_up=lambda: "Over.")
    task._worker.finished.connect(ended.set)
    assert steps.acquire(timeout=10)
    delete_at_once(panel)
    assert task.control.is_cancelled
    with qtbot.captureExceptions() as exceptions:
        qtbot.waitUntil(ended.is_set, timeout=10_000)
        qtbot.wait(50)
    assert not exceptions
    assert not taken
