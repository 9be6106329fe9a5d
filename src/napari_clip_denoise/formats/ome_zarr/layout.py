"""How the axes and pixels of a stack lie in an OME-Zarr store."""

import math
from dataclasses import dataclass
from typing import Self

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.ome_zarr.metadata import ORDER
from napari_clip_denoise.images.stack import Stack

REGION_PIXELS = 2**24
REGION_SIDE = 4096
CHUNK_SIDE = 512
WHOLE_CHUNK_SIDE = 1024


@dataclass(frozen=True)
class StoreLayout:
    """All but `region_of_source` in the order in which axes are stored.

    Attributes
    ----------
    axes : str
        Such as ``"czyx"``; RGB samples are stored as channels.
    order : tuple of int
        The axes of the source in this order.
    shape : tuple of int
        Of the full resolution.
    chunks : tuple of int
        One plane, or a piece of a large one.
    region : tuple of int
        What is written at once: a shard.
    region_of_source : tuple of int
        The same in the order of the source.
    """

    axes: str
    order: tuple[int, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    region: tuple[int, ...]
    region_of_source: tuple[int, ...]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Lay out a stack.

        Raises
        ------
        InputError
            If OME-Zarr has no such axes.
        """
        letters = stack.axes.replace("s", "c")
        if len(set(letters)) != len(letters) or not set(letters) <= set(ORDER):
            raise InputError(
                f"OME-Zarr cannot hold the axes {stack.axes}; it has t, c, z, y and x, or RGB "
                "samples in place of c, so name them so or write .ome.tif."
            )
        axes = "".join(axis for axis in ORDER if axis in letters)
        order = tuple(letters.index(axis) for axis in axes)
        shape = tuple(stack.shape[i] for i in order)
        sides = [size if size <= WHOLE_CHUNK_SIDE else CHUNK_SIDE for size in shape[-2:]]
        chunks = (*(1,) * (len(axes) - 2), *sides)
        region = list(chunks)
        for axis, side in zip((-2, -1), sides, strict=True):
            region[axis] = min(-(-shape[axis] // side), max(1, REGION_SIDE // side)) * side
        if stack.is_rgb:
            region[axes.index("c")] = shape[axes.index("c")]
        for axis in reversed(range(len(axes) - 2)):
            room = REGION_PIXELS // math.prod(region)
            region[axis] = max(region[axis], min(shape[axis], room))
        of_source = tuple(region[axes.index(letter)] for letter in letters)
        return cls(axes, order, shape, chunks, tuple(region), of_source)
