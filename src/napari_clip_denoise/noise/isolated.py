"""Removal of hot and dead pixels, which would raise an estimate of the noise around them."""

import numpy as np

USUAL = (1, 99)
"""Percentiles of usual values; only what lies further outside than their distance is looked at."""
LEAST_FALL = 0.5
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


def without_isolated(plane: np.ndarray) -> np.ndarray:
    """Replace pixels far outside the usual range by the median of their neighbours.

    A pixel is replaced if no neighbour has half of its distance from the usual range.

    Parameters
    ----------
    plane : numpy.ndarray
        (Y, X), finite.

    Returns
    -------
    numpy.ndarray
        (Y, X); the plane itself if it has no such pixel.
    """
    low, high = np.percentile(plane, USUAL)
    excess = np.maximum(plane - high, low - plane)
    y, x = np.nonzero(excess > high - low)
    if not len(y):
        return plane
    around = np.pad(excess, 1, constant_values=0)
    beside = np.max([around[y + 1 + dy, x + 1 + dx] for dy, dx in NEIGHBOURS], axis=0)
    alone = beside < LEAST_FALL * excess[y, x]
    y, x = y[alone], x[alone]
    values = np.pad(plane, 1, mode="reflect")
    cleaned = plane.copy()
    cleaned[y, x] = np.median([values[y + 1 + dy, x + 1 + dx] for dy, dx in NEIGHBOURS], axis=0)
    return cleaned
