"""Size of a run as far as it is known without the network; this module does not load torch."""

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
"""Total size of all pyramid levels as a multiple of the first."""


@dataclass(frozen=True)
class Outline:
    """Size of a run.

    Attributes
    ----------
    planes, regions : int
        Number of planes and of regions.
    result_bytes : int
        Uncompressed size of the result in bytes, including its pyramid if it has one.
    free_bytes : int
        Free space in bytes, on the disk of the result or in memory.
    """

    planes: int
    regions: int
    result_bytes: int
    free_bytes: int


def make_outline(stack: Stack, store: Path | None, output_dtype: str | None = None) -> Outline:
    """Determine the size of a run.

    Parameters
    ----------
    stack : Stack
        The source.
    store : Path or None
        OME-Zarr store for the result; None keeps the result in memory.
    output_dtype : str, optional
        See `DenoiseSettings`.

    Returns
    -------
    Outline
        Size of the run.

    Raises
    ------
    InputError, OutputError
        If the store cannot be created.
    """
    n_bytes = math.prod(stack.shape) * np.dtype(output_dtype or stack.dtype).itemsize
    if store is None:
        regions = count(stack.shape, stack.whole_planes())
        return Outline(stack.n_planes, regions, n_bytes, psutil.virtual_memory().available)
    regions = count(stack.shape, region_shape(store, stack))
    return Outline(stack.n_planes, regions, int(n_bytes * PYRAMID), free_bytes(store))
