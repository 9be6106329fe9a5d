"""How a run tells how far it is, and how it is told to stop."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from napari_clip_denoise.errors import Cancelled

Notify = Callable[[str], None]
"""Told in a sentence what a user should know."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    done : float
        Planes denoised, in fractions of large ones.
    total : int
        Planes in all.
    seconds : float
        Time since the first plane of this run was begun.
    before : float
        Planes that an earlier run has denoised.
    """

    done: float
    total: int
    seconds: float
    before: float = 0.0

    @property
    def planes_per_second(self) -> float:
        """Average rate of this run so far; 0 before anything is done."""
        return (self.done - self.before) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate at the average rate; None before anything is done."""
        rate = self.planes_per_second
        return (self.total - self.done) / rate if rate else None


class CancelToken:
    """A switch that stops a run from another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to."""
        return self._event.is_set()

    def check(self) -> None:
        """Stop here if it was asked to.

        Raises
        ------
        Cancelled
            If `cancel` was called.
        """
        if self.is_cancelled:
            raise Cancelled("The run was cancelled; nothing was written.")


class ProgressCounter:
    """Adds up finished tiles and reports `Progress`."""

    def __init__(
        self,
        total_planes: float,
        report: Callable[[Progress], None] | None,
        before: float = 0.0,
    ):
        self._total = total_planes
        self._report = report
        self._before = before
        self._done = before
        self._started = time.monotonic()
        if before:
            self.advance(0.0)

    def advance(self, planes: float) -> None:
        """Count `planes` more and report."""
        self._done = min(self._done + planes, self._total)
        if self._report:
            seconds = time.monotonic() - self._started
            total = max(1, round(self._total))
            self._report(Progress(self._done, total, seconds, self._before))

    @contextmanager
    def attempt(self) -> Iterator[Callable[[float], None]]:
        """Give `advance`, whose effect is undone where the attempt fails."""
        before = self._done
        try:
            yield self.advance
        except BaseException:
            self._done = before
            raise
