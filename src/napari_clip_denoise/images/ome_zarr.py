"""OME-Zarr stores and plain zarr arrays."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from zarr.errors import BaseZarrError

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.images.files import PartialFile
from napari_clip_denoise.images.ome_metadata import (
    ORDER,
    axes_of,
    image_metadata,
    metadata_of,
    omero_metadata,
)
from napari_clip_denoise.images.pyramid import build_pyramid
from napari_clip_denoise.images.source import Stack, as_stack

OWN_KEY = "napari_clip_denoise"
SHARD_BYTES = 2**26
SHARD_SIDE = 4096
CHUNK_SIDE = 512
WHOLE_CHUNK_SIDE = 1024


def read_zarr(path: Path, axes: str | None) -> Stack:
    """Open a plain zarr array, or the full resolution of an OME-Zarr image (0.4 or 0.5)."""
    try:
        node = zarr.open(path, mode="r")
    except (BaseZarrError, ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} is no zarr store that can be read.") from error
    name = path.name.split(".")[0]
    if isinstance(node, zarr.Array):
        return as_stack(node, axes, name=name, path=path)
    attributes = dict(node.attrs)
    own: Any = attributes.get(OWN_KEY, {})
    if own.get("complete") is False:
        raise InputError(f"{path} is the unfinished result of an interrupted run; run it again.")
    ome: Any = attributes.get("ome", attributes)
    if "plate" in ome:
        raise InputError(f"{path} is a plate; give one of its images, such as {path}/A/1/0.")
    if "multiscales" not in ome:
        arrays = list(node.arrays())
        if len(arrays) != 1:
            raise InputError(
                f"{path} is no OME-Zarr image and holds {len(arrays)} arrays; give one of them."
            )
        return as_stack(arrays[0][1], axes, name=name, path=path)
    multiscale = ome["multiscales"][0]
    array: Any = node[multiscale["datasets"][0]["path"]]
    letters = axes_of(multiscale, array.ndim)
    metadata = metadata_of(multiscale, ome.get("omero"), letters)
    if own.get("rgb") and axes is None:
        where = letters.index("c")
        order = [*(i for i in range(array.ndim) if i != where), where]
        array = da.from_array(array, chunks=array.chunks).transpose(order)
        letters = letters.replace("c", "") + "s"
        metadata = metadata.reordered(order)
    return as_stack(array, axes or letters or None, metadata=metadata, name=name, path=path)


class OmeZarrWriter(PartialFile):
    """Writes an OME-Zarr 0.5 store, sharded, a shard a region, and its pyramid at the end.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels.
    attributes : dict
        How the result was made; stored in the group's attributes.
    """

    def __init__(
        self,
        path: Path,
        stack: Stack,
        dtype: np.dtype,
        *,
        overwrite: bool,
        attributes: dict[str, Any],
    ):
        letters = stack.axes.replace("s", "c")
        if len(set(letters)) != len(letters) or not set(letters) <= set(ORDER):
            raise InputError(
                f"OME-Zarr cannot hold the axes {stack.axes}; it has t, c, z, y and x, or RGB "
                "samples in place of c, so name them so or write .ome.tif."
            )
        super().__init__(path, stack, overwrite=overwrite)
        self._axes = "".join(axis for axis in ORDER if axis in letters)
        self._order = tuple(letters.index(axis) for axis in self._axes)
        shape = tuple(stack.shape[i] for i in self._order)
        chunks, shards = _layout(self._axes, shape, dtype, rgb=stack.is_rgb)
        self._own = {**attributes, "rgb": stack.is_rgb}
        try:
            self._group = zarr.create_group(self.partial)
            self._group.attrs[OWN_KEY] = {**self._own, "complete": False}
            self._level = self._group.create_array(
                "0",
                shape=shape,
                chunks=chunks,
                shards=shards,
                dtype=dtype,
                dimension_names=list(self._axes),
            )
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        back = tuple(int(i) for i in np.argsort(self._order))
        self.region_shape = tuple(shards[i] for i in back)
        self.array: Any = self._level
        if back != tuple(sorted(back)):
            self.array = da.from_array(self._level, chunks=shards).transpose(back)

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region: one or more whole shards."""
        self._level[tuple(index[i] for i in self._order)] = block.transpose(self._order)

    def _close(self) -> None:
        levels = build_pyramid(self._group, self._axes)
        metadata = self.stack.metadata.reordered(self._order)
        image = image_metadata(
            self.stack.name,
            self._axes,
            metadata,
            n_levels=len(levels),
            omero=omero_metadata(self._axes, metadata, levels, rgb=self.stack.is_rgb),
        )
        self._group.attrs["ome"] = image
        self._group.attrs[OWN_KEY] = {**self._own, "complete": True}


def _layout(
    axes: str, shape: tuple[int, ...], dtype: np.dtype, *, rgb: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks of one plane, or a piece of a large one, and shards of several."""
    sides = [size if size <= WHOLE_CHUNK_SIDE else CHUNK_SIDE for size in shape[-2:]]
    shard_sides = [
        min(-(-size // side), max(1, SHARD_SIDE // side)) * side
        for size, side in zip(shape[-2:], sides, strict=True)
    ]
    chunks = [1] * (len(axes) - 2) + sides
    shards = [1] * (len(axes) - 2) + shard_sides
    if rgb:
        shards[axes.index("c")] = shape[axes.index("c")]
    if "z" in axes:
        plane_bytes = int(np.prod(shards, dtype=np.int64)) * dtype.itemsize
        depth = shape[axes.index("z")]
        shards[axes.index("z")] = min(depth, max(1, SHARD_BYTES // plane_bytes))
    return tuple(chunks), tuple(shards)
