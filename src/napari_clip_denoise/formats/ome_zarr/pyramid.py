"""Multi-resolution pyramids of stored arrays, downsampled by averaging."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product, takewhile
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.formats.ome_zarr.files import Checksum, Files
from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout
from napari_clip_denoise.images.regions import Region, split

SMALLEST_SIDE = 256
THREADS = 4
CONFIG: Any = {"write_empty_chunks": True}
"""Skips zarr's comparison of every pixel with 0, which takes a sixth of the writing time."""


@dataclass(frozen=True)
class Pyramid:
    """The levels of a stored image, each half the size of the one before in Y and X.

    It can be pickled and sent to other processes, which may write other regions at the same time.

    Attributes
    ----------
    files : Files
        Files of the store.
    levels : tuple of zarr.Array
        The levels, named by their number, with the full resolution first.
    layout : StoreLayout
        Layout of the full resolution.
    """

    files: Files
    levels: tuple[zarr.Array, ...]
    layout: StoreLayout

    def write(self, index: Region, block: np.ndarray) -> Checksum:
        """Store a region of the source; regions of whole planes are stored at all levels.

        Parameters
        ----------
        index : Region
            Region in the axes of the source.
        block : numpy.ndarray
            Its pixels.

        Returns
        -------
        (int, int)
            See `checksum`. The files are flushed to disk before this returns.
        """
        turned, block = self._turned(index), block.transpose(self.layout.order)
        for level in self._levels_of_regions:
            self._store(level, turned, block)
            if level is not self._levels_of_regions[-1]:
                block = halve(block)
        return self.checksum(index)

    def checksum(self, index: Region) -> Checksum:
        """Return the checksum of the files that store a region of the source."""
        turned = self._turned(index)
        return self.files.checksum(
            name for level in self._levels_of_regions for name in self._names(level, turned)
        )

    def checksum_below(self) -> Checksum:
        """Return the checksum of the files that `fill` has written."""
        below = () if self.has_whole_planes else self.levels[1:]
        return self.files.checksum(
            name
            for level in below
            for region in split(level.shape, level.shards or self.layout.region)
            for name in self._names(level, region)
        )

    def fill(self) -> None:
        """Compute the lower-resolution levels, each from the stored level above it."""
        if self.has_whole_planes:
            return
        with ThreadPoolExecutor(THREADS) as pool:
            for above, level in pairwise(self.levels):
                regions = split(level.shape, level.shards or self.layout.region)
                for _ in pool.map(lambda part, a=above, b=level: self._fill(a, b, part), regions):
                    pass

    @property
    def has_whole_planes(self) -> bool:
        """True if regions contain whole planes, so that all levels can be written at once."""
        sides = zip(self.layout.region[-2:], self.layout.shape[-2:], strict=True)
        return all(region >= plane for region, plane in sides)

    def _store(self, level: zarr.Array, index: Region, block: np.ndarray) -> None:
        names = list(self._names(level, index))
        self.files.make_room(names)
        level[(*index[:-2], *_sides(index, block))] = block
        self.files.keep(names)

    def _turned(self, index: Region) -> Region:
        return tuple(index[i] for i in self.layout.order)

    @property
    def _levels_of_regions(self) -> tuple[zarr.Array, ...]:
        """Return the levels that `write` stores."""
        return self.levels if self.has_whole_planes else self.levels[:1]

    def _fill(self, above: zarr.Array, level: zarr.Array, target: Region) -> None:
        sides = (slice(2 * part.start, 2 * part.stop) for part in target[-2:])
        self._store(level, target, halve(np.asarray(above[(*target[:-2], *sides)])))

    def _names(self, level: zarr.Array, index: Region) -> Iterator[str]:
        """Iterate over the chunk or shard files of a level that a full-resolution region fills."""
        steps = level.shards or level.chunks
        ranges = (
            range(part.start // step, -(-min(part.stop, size) // step))
            for part, step, size in zip(index, steps, level.shape, strict=True)
        )
        for position in product(*ranges):
            yield f"{level.path}/{level.metadata.encode_chunk_key(position)}"


def create_pyramid(
    files: Files, group: zarr.Group, layout: StoreLayout, dtype: np.dtype
) -> Pyramid:
    """Create empty arrays that halve Y and X until the larger is at most `SMALLEST_SIDE`.

    Parameters
    ----------
    files : Files
        Files of the store.
    group : zarr.Group
        Group of the image; in zarr format 3 its arrays have one shard per region.
    layout : StoreLayout
        Layout of the full resolution; all levels have chunks and shards of the same size.
    dtype : numpy.dtype
        Type of the pixels, stored in native byte order.
    """
    options: dict[str, Any] = {
        "chunks": layout.chunks,
        "dtype": dtype.newbyteorder("="),
        "config": CONFIG,
    }
    if group.metadata.zarr_format == 3:
        options |= {"shards": layout.region, "dimension_names": list(layout.axes)}
    else:
        options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    shape = layout.shape
    levels = [group.create_array("0", shape=shape, **options)]
    while max(shape[-2:]) > SMALLEST_SIDE:
        shape = (*shape[:-2], *(-(-size // 2) for size in shape[-2:]))
        levels.append(group.create_array(str(len(levels)), shape=shape, **options))
    return Pyramid(files, tuple(levels), layout)


def open_pyramid(files: Files, group: Any, layout: StoreLayout) -> Pyramid:
    """Open a pyramid made by `create_pyramid`.

    Parameters
    ----------
    files : Files
        Files of the store.
    group : zarr.Group
        Group of the image.
    layout : StoreLayout
        Layout of the full resolution.
    """
    names = takewhile(lambda name: name in group, map(str, itertools.count()))
    with zarr.config.set({f"array.{key}": value for key, value in CONFIG.items()}):
        levels = tuple(group[name] for name in names)
    return Pyramid(files, levels, layout)


def halve(block: np.ndarray) -> np.ndarray:
    """Average blocks of 2x2 pixels along the last two axes, repeating an odd last row or column."""
    *leading, height, width = block.shape
    means = np.empty((*leading, -(-height // 2), -(-width // 2)), block.dtype)
    for plane in np.ndindex(*leading):
        means[plane] = _halve_plane(block[plane])
    return means


def _halve_plane(plane: np.ndarray) -> np.ndarray:
    odd = [size % 2 for size in plane.shape]
    if any(odd):
        plane = np.pad(plane, [(0, n) for n in odd], mode="edge")
    is_small = plane.dtype.kind in "ui" and plane.dtype.itemsize <= 2
    exact = np.float32 if is_small else np.float64
    rows = np.add(plane[::2], plane[1::2], dtype=exact)
    mean = (rows[:, ::2] + rows[:, 1::2]) / exact(4)
    return np.rint(mean) if plane.dtype.kind in "ui" else mean


def _sides(index: Region, block: np.ndarray) -> Region:
    """Return the Y and X slices of a block, which may be whole planes of a lower level."""
    pairs = zip(index[-2:], block.shape[-2:], strict=True)
    return tuple(slice(part.start, part.start + size) for part, size in pairs)
