"""Evenly spaced samples of large images."""

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the numbers from 0 to `count` - 1, evenly spaced.

    Parameters
    ----------
    count : int
        Number of items to choose from.
    most : int
        Maximum number to choose. From two on, the first and the last item are included.

    Returns
    -------
    numpy.ndarray
        Unique numbers (N,), int64, ascending.
    """
    spread = np.linspace(0, count - 1, min(count, most))
    return np.unique(spread.round().astype(np.int64))


def plane_positions(shape: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Return the positions of at most `most` planes of a stack, evenly spaced.

    Parameters
    ----------
    shape : tuple of int
        Sizes of the axes before the plane; empty for a single plane.
    most : int
        Maximum number of planes to choose.

    Returns
    -------
    list of tuple of int
        One index per axis of `shape` for each plane, in C order.
    """
    flat = evenly(int(np.prod(shape, dtype=np.int64)), most)
    return [tuple(int(i) for i in np.unravel_index(one, shape)) if shape else () for one in flat]
