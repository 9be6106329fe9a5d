"""Progress reports of a fine-tuning, and stopping it."""

import math
import threading
from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.errors import Cancelled


@dataclass(frozen=True)
class Picture:
    """Held-out patch in three versions, (Y, X) each, on the network's scale.

    Attributes
    ----------
    noisy, before, now : numpy.ndarray
        The noisy patch, and the patch denoised by the initial and by the current model.
    """

    noisy: np.ndarray
    before: np.ndarray
    now: np.ndarray


@dataclass(frozen=True)
class Learning:
    """Progress of a fine-tuning.

    Attributes
    ----------
    step : int
        Number of finished steps.
    fraction : float
        Finished fraction of the training, from 0 to 1.
    seconds, seconds_left : float
        Elapsed and estimated remaining time in seconds; the latter is None before the first step.
    loss : float or None
        Training loss of this step; None if this tells of a score alone.
    score : float or None
        Mean squared error on the held-out patches, if they were scored after this step.
    best, start : float
        Best score so far, and score of the initial model.
    picture : Picture or None
        Picture of a held-out patch, present with each score.
    """

    step: int
    fraction: float
    seconds: float
    seconds_left: float | None
    loss: float | None
    score: float | None
    best: float
    start: float
    picture: Picture | None = None


class Control:
    """Switch that ends a fine-tuning from another thread."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._cancel = threading.Event()

    def stop(self) -> None:
        """Ask the training to end now and keep the best result so far."""
        self._stop.set()

    def cancel(self) -> None:
        """Ask the training to end now and keep nothing."""
        self._cancel.set()

    def check(self) -> None:
        """Raise `Cancelled` if `cancel` was called."""
        if self.is_cancelled:
            raise Cancelled

    @property
    def is_stopped(self) -> bool:
        """True if `stop` was called."""
        return self._stop.is_set()

    @property
    def is_cancelled(self) -> bool:
        """True if `cancel` was called."""
        return self._cancel.is_set()


def decibels(score: float) -> float:
    """Convert a mean squared error on the network's scale to PSNR in dB, for a data range of 1."""
    return -10 * math.log10(max(score, 1e-9))
