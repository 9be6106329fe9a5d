"""Layout of a stack in an OME-Zarr store: axes, chunks and shards."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.ome_zarr.metadata import ORDER
from napari_clip_denoise.images.stack import Stack

REGION_PIXELS = 2**24
REGION_SIDE = 4096
CHUNK_SIDE = 512
WHOLE_CHUNK_SIDE = 1024


@dataclass(frozen=True)
class StoreLayout:
    """Axes, shape, chunks and regions of a stored stack.

    All attributes but `region_of_source` are in the order in which axes are stored.

    Attributes
    ----------
    axes : str
        Stored axes, such as ``"czyx"``; RGB samples are stored as channels.
    order : tuple of int
        For each stored axis, its index in the source.
    shape : tuple of int
        Shape of the full resolution.
    chunks : tuple of int
        Shape of a chunk: one plane, or a tile of a large one.
    region : tuple of int
        Shape of a region that is written at once, which is one shard.
    region_of_source : tuple of int
        Shape of a region in the axis order of the source.
    """

    axes: str
    order: tuple[int, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    region: tuple[int, ...]
    region_of_source: tuple[int, ...]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Return the layout of a stack.

        Raises
        ------
        InputError
            If OME-Zarr does not support its axes.
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


def check_layout(path: Path | str, stack: Stack, dtype: np.dtype) -> None:
    """Raise an `InputError` if OME-Zarr does not support the axes of a stack."""
    StoreLayout.of(stack)
