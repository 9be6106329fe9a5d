"""Work of the main thread in small steps, between which the window stays alive."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from qtpy.QtCore import QObject, QTimer

Steps = Generator[None, None, Any]


class Turns(QObject):
    """Does work step by step, each step in a turn of its own of the event loop.

    Adding one layer to napari takes tens of milliseconds; several at once would hold up the window
    visibly.

    Parameters
    ----------
    parent : QObject
        What remains is dropped when it is destroyed.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[Steps] = deque()
        self._is_within = False
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._turn)

    def add(self, steps: Steps) -> None:
        """Do something after all that was added before.

        Parameters
        ----------
        steps : generator
            Yields after each step.
        """
        self._waiting.append(steps)
        self._timer.start()

    def clear(self) -> None:
        """Drop what remains to be done."""
        self._waiting.clear()
        self._timer.stop()

    def _turn(self) -> None:
        if self._is_within or not self._waiting:  # a step may handle events itself
            return
        current = self._waiting[0]
        self._is_within, is_over = True, True
        try:
            next(current)
            is_over = False
        except StopIteration:
            pass
        finally:
            self._is_within = False
            if is_over and self._waiting and self._waiting[0] is current:
                self._waiting.popleft()
            if not self._waiting:
                self._timer.stop()


def in_steps(act: Callable[..., Any], *arguments: Any) -> Steps:
    """Call a function in one step, or a generator function in as many as it has.

    Returns
    -------
    object
        What the function returns.
    """
    outcome = act(*arguments)
    return (yield from outcome) if isinstance(outcome, Generator) else outcome


def at_once(steps: Iterator[None]) -> None:
    """Do all steps now."""
    for _ in steps:
        pass
