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


def sample_positions(shape: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Return at most `most` positions in a grid, such as the planes of a stack, spread evenly.

    Parameters
    ----------
    shape : tuple of int
        Of the grid; an empty one has a single position.
    most : int
        How many to choose at most.

    Returns
    -------
    list of tuple of int
        One number an axis each, in C order.
    """
    flat = evenly(int(np.prod(shape, dtype=np.int64)), most)
    return [tuple(int(i) for i in np.unravel_index(one, shape)) if shape else () for one in flat]
