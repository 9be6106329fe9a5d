"""Results in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.formats.base import Check
from napari_clip_denoise.images.regions import Region, split, whole
from napari_clip_denoise.images.stack import Stack


class MemoryWriter:
    """A `Writer` whose result is an array.

    Parameters
    ----------
    stack : Stack
        The source.
    dtype : numpy.dtype
        Type of the result.
    region : tuple of slice, optional
        The part of the source to write; all of it by default.

    Attributes
    ----------
    array : numpy.ndarray
        The region, zero where nothing was written yet.
    """

    path: Path | None = None
    can_resume = False

    def __init__(self, stack: Stack, dtype: np.dtype, region: Region | None = None):
        self.fingerprint: dict[str, Any] = {}
        self.region_shape = stack.whole_planes()
        self._stack = stack
        self._region = region or whole(stack.shape)
        self.array = np.zeros([part.stop - part.start for part in self._region], dtype)

    def regions(self) -> Iterator[Region]:
        """Iterate over the regions that a run writes: all of the source, or the given one."""
        if self._region == whole(self._stack.shape):
            return split(self._stack.shape, self.region_shape)
        return iter([self._region])

    def has(self, index: Region) -> bool:
        """Return False, as nothing is kept from an earlier run."""
        return False

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region."""
        moved = (
            slice(part.start - start.start, part.stop - start.start)
            for part, start in zip(index, self._region, strict=True)
        )
        self.array[tuple(moved)] = block

    def finish(self, check: Check | None = None) -> None:
        """Let the array be checked; it is complete."""
        if check is not None:
            check()

    def abort(self) -> None:
        """Do nothing; the array is freed with its last reference."""

    def pause(self) -> None:
        """Do nothing; a later run starts from the beginning."""
