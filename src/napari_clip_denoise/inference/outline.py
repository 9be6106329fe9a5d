"""What a run will take, as far as that is known without the network; nothing here loads torch."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from napari_clip_denoise.formats import region_shape
from napari_clip_denoise.formats.base import free_bytes
from napari_clip_denoise.images.regions import count
from napari_clip_denoise.images.stack import Stack

PYRAMID = 4 / 3
"""Bytes of all levels, as a multiple of the first."""


@dataclass(frozen=True)
class Outline:
    """The size of a run.

    Attributes
    ----------
    planes, regions : int
        How many there are.
    result_bytes : int
        Size of the result before compression, with its pyramid where it has one.
    free_bytes : int
        Room for it: on its disk, or in memory.
    """

    planes: int
    regions: int
    result_bytes: int
    free_bytes: int


def make_outline(stack: Stack, store: Path | None, output_dtype: str | None = None) -> Outline:
    """Find out how large a run is.

    Parameters
    ----------
    stack : Stack
        The source.
    store : Path or None
        OME-Zarr store for the result; None keeps it in memory.
    output_dtype : str, optional
        See `DenoiseSettings`.

    Raises
    ------
    InputError, OutputError
        If there can be no such store.
    """
    n_bytes = math.prod(stack.shape) * np.dtype(output_dtype or stack.dtype).itemsize
    if store is None:
        regions = count(stack.shape, stack.whole_planes())
        return Outline(stack.n_planes, regions, n_bytes, psutil.virtual_memory().available)
    regions = count(stack.shape, region_shape(store, stack))
    return Outline(stack.n_planes, regions, int(n_bytes * PYRAMID), free_bytes(store))
