"""Offsets of whole rows or columns, as of a confocal scanner or an sCMOS camera."""

from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d

from napari_clip_denoise.noise.estimate import MAD_TO_DEVIATION

Lines = Literal["rows", "columns"]
Destripe = Literal["off", "rows", "columns"]

SLOWEST = 6.0
"""Width in lines of the Gaussian beyond which a drift of the offsets counts as structure."""
CUTOFF = 2.5
ROUNDS = 5
BAND_SAMPLES = 2**22


def line_offsets(plane: np.ndarray, lines: Lines) -> np.ndarray:
    """Measure how much each row, or each column, is brighter than those beside it.

    The step from one line to the next is a robust mean (Tukey's biweight) of the differences
    between their pixels, which structures hardly affect unless they lie along most of a line. The
    steps are summed, and what changes slowly from line to line is taken for structure.

    Parameters
    ----------
    plane : numpy.ndarray
        Raw values (Y, X) or (Y, X, S), finite.
    lines : {"rows", "columns"}
        Direction of the lines.

    Returns
    -------
    numpy.ndarray
        Offsets in raw units, float32, (Y, 1), (1, X), (Y, 1, S) or (1, X, S).
    """
    if lines == "columns":
        return np.swapaxes(line_offsets(np.swapaxes(plane, 0, 1), "rows"), 0, 1)
    if plane.ndim == 3:
        samples = np.moveaxis(plane, -1, 0)
        return np.stack([line_offsets(sample, "rows") for sample in samples], axis=-1)
    height = max(1, BAND_SAMPLES // max(1, plane.shape[1]))
    starts = range(0, len(plane) - 1, height)
    steps = [np.zeros(1), *(_steps(plane[start : start + height + 1]) for start in starts)]
    offsets = np.cumsum(np.concatenate(steps))
    offsets -= gaussian_filter1d(offsets, SLOWEST, mode="nearest")
    return offsets.astype(np.float32)[:, np.newaxis]


def _steps(rows: np.ndarray) -> np.ndarray:
    """Return the robust mean difference of each row (N + 1, X) from the next one."""
    differences = np.diff(rows.astype(np.float64), axis=0)
    steps = np.median(differences, axis=1, keepdims=True)
    spread = MAD_TO_DEVIATION * np.median(np.abs(differences - steps))
    if spread == 0:
        return steps[:, 0]
    for _ in range(ROUNDS):
        distance = (differences - steps) / (CUTOFF * spread)
        weights = np.square((1 - np.square(distance)).clip(0))
        total = weights.sum(axis=1, keepdims=True)
        mean = (weights * differences).sum(axis=1, keepdims=True) / np.maximum(total, 1)
        steps = np.where(total < 1, steps, mean)
    return steps[:, 0]
