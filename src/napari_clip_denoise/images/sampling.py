"""Samples of large images: a few of many, spread evenly."""

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the numbers from 0 to `count` - 1, spread evenly.

    Parameters
    ----------
    count : int
        How many there are.
    most : int
        How many to choose at most. Two or more include the first and the last.

    Returns
    -------
    numpy.ndarray
        (N,), int64, ascending, each once.
    """
    spread = np.linspace(0, count - 1, min(count, most))
    return np.unique(spread.round().astype(np.int64))


def plane_positions(shape: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Return the positions of at most `most` planes of a stack, spread evenly.

    Parameters
    ----------
    shape : tuple of int
        Of the axes before the plane; none for a single plane.
    most : int
        How many to choose at most.

    Returns
    -------
    list of tuple of int
        One number an axis of `shape` each, in C order.
    """
    flat = evenly(int(np.prod(shape, dtype=np.int64)), most)
    return [tuple(int(i) for i in np.unravel_index(one, shape)) if shape else () for one in flat]
