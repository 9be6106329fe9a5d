"""Regions of an array, as plain slices."""

import math
from collections.abc import Iterator
from itertools import product

Region = tuple[slice, ...]
"""One slice with start and stop along each axis of an array."""


def whole(shape: tuple[int, ...]) -> Region:
    """The region that is all of an array."""
    return tuple(slice(0, size) for size in shape)


def split(shape: tuple[int, ...], region_shape: tuple[int, ...]) -> Iterator[Region]:
    """Cut an array into regions, the last axis fastest; those at the ends may be smaller."""
    starts = (range(0, size, step) for size, step in zip(shape, region_shape, strict=True))
    for origin in product(*starts):
        yield tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(origin, region_shape, shape, strict=True)
        )


def count(shape: tuple[int, ...], region_shape: tuple[int, ...]) -> int:
    """How many regions `split` gives."""
    return math.prod(-(-size // step) for size, step in zip(shape, region_shape, strict=True))


def number(region: Region, shape: tuple[int, ...], region_shape: tuple[int, ...]) -> int:
    """Position of a region in what `split` gives."""
    position = 0
    for part, size, step in zip(region, shape, region_shape, strict=True):
        position = position * -(-size // step) + part.start // step
    return position
