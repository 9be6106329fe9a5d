"""Progress reports of a run, and cancelling it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from napari_clip_denoise.errors import Cancelled

Notify = Callable[[str], None]
"""Callable that receives a sentence for the user."""
VERIFYING = "Verifying what an earlier run has finished"
KEPT = "what an earlier run has finished is kept"


@dataclass(frozen=True)
class Progress:
    """Progress of a run.

    Attributes
    ----------
    done : float
        Planes denoised; pieces of large planes count as fractions.
    total : int
        Total number of planes.
    seconds : float
        Time since this run started its first plane, in seconds.
    before : float
        Planes denoised by an earlier run.
    message : str
        What is done instead of denoising, such as `VERIFYING`; `done` and `total` then count
        regions.
    where : str
        Name of the current image in a store of many.
    """

    done: float
    total: int
    seconds: float
    before: float = 0.0
    message: str = ""
    where: str = ""

    @property
    def planes_per_second(self) -> float:
        """Average speed of this run so far; 0 before anything is done."""
        return (self.done - self.before) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining time at the average speed; None before anything is done."""
        rate = self.planes_per_second
        return (self.total - self.done) / rate if rate else None


class CancelToken:
    """Token that stops a run from another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """True if `cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise an error if the run was asked to stop.

        Raises
        ------
        Cancelled
            If `cancel` was called.
        """
        if self.is_cancelled:
            raise Cancelled("The run was cancelled; nothing was written.")


def verification_reporter(
    on_progress: Callable[[Progress], None] | None, cancel: CancelToken | None
) -> Callable[[int, int], None]:
    """Return a function to call after each verified region, which reports it or stops the run."""

    def report(done: int, total: int) -> None:
        if cancel is not None and cancel.is_cancelled:
            raise Cancelled(f"The run was cancelled; {KEPT}.")
        if on_progress is not None:
            on_progress(Progress(done, total, 0.0, done, VERIFYING))

    return report


class ProgressCounter:
    """Counter of finished tiles that reports `Progress`."""

    def __init__(
        self,
        total_planes: float,
        on_progress: Callable[[Progress], None] | None,
        before: float = 0.0,
    ):
        self._total = total_planes
        self._on_progress = on_progress
        self._before = before
        self._done = before
        self._started = time.monotonic()
        if before:
            self.advance(0.0)

    def advance(self, planes: float) -> None:
        """Add `planes` to the count and report the progress."""
        self._done = min(self._done + planes, self._total)
        if self._on_progress:
            seconds = time.monotonic() - self._started
            total = max(1, round(self._total))
            self._on_progress(Progress(self._done, total, seconds, self._before))

    @contextmanager
    def attempt(self) -> Iterator[Callable[[float], None]]:
        """Yield `advance`, and undo its effect if the attempt fails."""
        before = self._done
        try:
            yield self.advance
        except BaseException:
            self._done = before
            raise
