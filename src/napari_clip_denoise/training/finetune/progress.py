"""How a fine-tuning tells how far it is, and how it is told to stop."""

import math
import threading
from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.errors import Cancelled


@dataclass(frozen=True)
class Picture:
    """A held-out patch, (Y, X) each, on the network's scale.

    Attributes
    ----------
    noisy, before, now : numpy.ndarray
        As it is, and denoised by the model at the start and at present.
    """

    noisy: np.ndarray
    before: np.ndarray
    now: np.ndarray


@dataclass(frozen=True)
class Learning:
    """How far a fine-tuning is.

    Attributes
    ----------
    step : int
        Steps done.
    share : float
        Share of the training that is done, from 0 to 1.
    seconds, seconds_left : float
        Time spent, and an estimate of what is left; None before the first step.
    loss : float or None
        Training loss of this step.
    score : float or None
        Mean squared error of the held-out patches, where they were just judged.
    best, start : float
        The best such score so far, and that of the model at the start.
    picture : Picture or None
        With each judgement.
    """

    step: int
    share: float
    seconds: float
    seconds_left: float | None
    loss: float | None
    score: float | None
    best: float
    start: float
    picture: Picture | None = None


class Control:
    """Ends a fine-tuning from another thread."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._cancel = threading.Event()

    def stop(self) -> None:
        """Ask it to end now and keep the best so far."""
        self._stop.set()

    def cancel(self) -> None:
        """Ask it to end now and keep nothing."""
        self._cancel.set()

    def check(self) -> None:
        """Raise `Cancelled` if `cancel` was called."""
        if self.is_cancelled:
            raise Cancelled

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancel.is_set()


def decibels(score: float) -> float:
    """Write a mean squared error on the network's scale as PSNR in dB, the range being 1."""
    return -10 * math.log10(max(score, 1e-9))
