"""Measures how long the event loop stands still, and what it does meanwhile."""

import gc
import sys
import threading
import time
import traceback

from qtpy.QtCore import QTimer

TICK_MILLISECONDS = 1
LATE_SECONDS = 0.03


class StallWatch:
    """Keeps the longest time between two turns of the event loop, and where the loop was then.

    A thread looks at the main thread's stack while it is late. How much of the time Python's
    garbage collection took, which halts all threads wherever it falls, is told apart. The watch
    begins at once; `stop` ends it.

    Attributes
    ----------
    longest, busiest : float
        Longest time between two turns, and most processor time of the main thread between two, in
        seconds. The second depends little on what else the machine does.
    """

    def __init__(self) -> None:
        self.longest = self.busiest = self.collecting = 0.0
        self.turns = 0
        self.stack = self.busy_stack = ""
        self._last, self._processor = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.timeout.connect(self._turn)
        self._timer.start(TICK_MILLISECONDS)
        self._seen = ""
        self._collected = self._collection = 0.0
        gc.callbacks.append(self._collect)
        self._done = threading.Event()
        self._main = threading.get_ident()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> str:
        """End, and say how long the longest stall was and what held the loop up."""
        self._timer.stop()
        self._done.set()
        self._thread.join()
        gc.callbacks.remove(self._collect)
        collecting = f", {1000 * self.collecting:.0f} ms of it collecting garbage"
        return (
            f"{1000 * self.longest:.0f} ms{collecting if self.collecting else ''} "
            f"({_place(self.stack)}), most processor time of a turn {1000 * self.busiest:.0f} ms "
            f"({_place(self.busy_stack)})"
        )

    def _turn(self) -> None:
        now = time.perf_counter()
        self.turns += 1
        if now - self._last > self.longest:
            self.longest, self.stack = now - self._last, self._seen
            self.collecting = self._collected
        processor = time.thread_time()
        if processor - self._processor > self.busiest:
            self.busiest, self.busy_stack = processor - self._processor, self._seen
        self._processor = processor
        self._last, self._seen, self._collected = now, "", 0.0

    def _collect(self, phase: str, _: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collection = now
        else:
            self._collected += now - self._collection

    def _look(self) -> None:
        while not self._done.wait(0.01):
            if time.perf_counter() - self._last > LATE_SECONDS and not self._seen:
                self._seen = "".join(traceback.format_stack(sys._current_frames()[self._main]))


def _place(stack: str) -> str:
    where = stack.strip().splitlines()[-2:]
    return " ".join(line.strip() for line in where) or "in Qt, or waiting for the interpreter"
