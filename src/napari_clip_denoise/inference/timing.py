"""Measurement of the time and memory of a run."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import psutil

SAMPLE_SECONDS = 0.001
T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """Time spent in one stage of a run.

    Attributes
    ----------
    name : str
        ``"read"``, ``"map"``, ``"device"``, ``"unmap"`` or ``"write"``.
    threads : int
        Number of threads of the stage.
    seconds : float
        Working time in seconds, summed over the threads.
    busy : float
        Fraction of the run during which the threads were working, from 0 to 1.
    """

    name: str
    threads: int
    seconds: float
    busy: float


class Profile:
    """Thread-safe record of the time that each stage of a run is working.

    Attributes
    ----------
    threads : dict
        Number of threads of each stage, by name; 1 for those that are missing.
    """

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._guard = threading.Lock()
        self._started = self._stopped = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time within the context for a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stopped = time.perf_counter()
            with self._guard:
                self._seconds[name] = self._seconds.get(name, 0.0) + self._stopped - started

    @property
    def seconds(self) -> float:
        """Time in seconds from the start of the first to the end of the last piece of work."""
        return self._stopped - self._started

    def stages(self) -> list[Stage]:
        """Return the measured stages in the order in which they started."""
        whole = max(self.seconds, 1e-9)
        return [
            Stage(name, threads, seconds, seconds / (whole * threads))
            for name, seconds in self._seconds.items()
            for threads in (self.threads.get(name, 1),)
        ]

    def of(self, name: str) -> float:
        """Return the working time of a stage in seconds."""
        return self._seconds.get(name, 0.0)


def stage(profile: Profile | None, name: str) -> AbstractContextManager[None]:
    """Count the time within the context for a stage of a profile, if there is one."""
    return nullcontext() if profile is None else profile.stage(name)


def with_memory(call: Callable[[], T]) -> tuple[T, int]:
    """Call a function and return its result and the sampled peak growth of memory in bytes."""
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
    """Return the peak memory of this process in bytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
