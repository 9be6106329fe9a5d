"""Regions of an array as tuples of slices."""

import math
from collections.abc import Iterator
from itertools import product

Region = tuple[slice, ...]
"""A slice with start and stop for each axis of an array."""


def whole(shape: tuple[int, ...]) -> Region:
    """Return the region that covers a whole array."""
    return tuple(slice(0, size) for size in shape)


def split(shape: tuple[int, ...], region_shape: tuple[int, ...]) -> Iterator[Region]:
    """Split an array into regions, last axis fastest; those at the ends may be smaller."""
    starts = (range(0, size, step) for size, step in zip(shape, region_shape, strict=True))
    for origin in product(*starts):
        yield tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(origin, region_shape, shape, strict=True)
        )


def count(shape: tuple[int, ...], region_shape: tuple[int, ...]) -> int:
    """Return the number of regions that `split` yields."""
    return math.prod(-(-size // step) for size, step in zip(shape, region_shape, strict=True))


def number(region: Region, shape: tuple[int, ...], region_shape: tuple[int, ...]) -> int:
    """Return the position of a region in the order of `split`.

    Parameters
    ----------
    region : Region
        A region yielded by `split`.
    shape, region_shape : tuple of int
        The arguments of `split`.
    """
    position = 0
    for part, size, step in zip(region, shape, region_shape, strict=True):
        position = position * -(-size // step) + part.start // step
    return position
