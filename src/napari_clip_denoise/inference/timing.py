"""Where the time of a run goes."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psutil

SAMPLE_SECONDS = 0.001
T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """What one stage of a run did.

    Attributes
    ----------
    name : str
        ``"read"``, ``"map"``, ``"device"``, ``"unmap"`` or ``"write"``.
    threads : int
        Threads that do it.
    seconds : float
        Time at work, added up over the threads.
    busy : float
        Share of the run's time that its threads were at work, from 0 to 1.
    """

    name: str
    threads: int
    seconds: float
    busy: float


class Profile:
    """Counts the seconds that each stage of a run is at work; from any thread."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._threads: dict[str, int] = {}
        self._guard = threading.Lock()
        self._started = self._stopped = time.perf_counter()

    @contextmanager
    def stage(self, name: str, threads: int = 1) -> Iterator[None]:
        """Count the time inside for a stage that so many threads share."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stopped = time.perf_counter()
            with self._guard:
                self._threads[name] = threads
                self._seconds[name] = self._seconds.get(name, 0.0) + self._stopped - started

    @property
    def seconds(self) -> float:
        """Time from the beginning to the end of the last piece of work."""
        return self._stopped - self._started

    def stages(self) -> list[Stage]:
        """What was counted, in the order in which the stages began."""
        whole = max(self.seconds, 1e-9)
        return [
            Stage(name, self._threads[name], seconds, seconds / (whole * self._threads[name]))
            for name, seconds in self._seconds.items()
        ]


def with_memory(call: Callable[[], T]) -> tuple[T, int]:
    """Call something, and tell the most bytes that the process grew by meanwhile, as sampled."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(SAMPLE_SECONDS):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = call()
        most = max(most, process.memory_info().rss)
    finally:
        ended.set()
        watcher.join()
    return result, most - before


def peak_memory() -> int:
    """Most bytes of memory that this process ever had."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
