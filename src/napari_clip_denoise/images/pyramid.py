"""Mean pyramids of stored arrays."""

import numpy as np
import zarr

from napari_clip_denoise.images.grid import split

SMALLEST_SIDE = 256


def build_pyramid(group: zarr.Group, axes: str) -> list[zarr.Array]:
    """Halve array ``"0"`` of a group in Y and X until it is small, each level from the last.

    Parameters
    ----------
    group : zarr.Group
        Open for writing.
    axes : str
        Of the array, ending in ``yx``.

    Returns
    -------
    list of zarr.Array
        All levels, named by their number, the full resolution first.
    """
    level = group["0"]
    assert isinstance(level, zarr.Array)
    levels = [level]
    while max(level.shape[-2:]) > SMALLEST_SIDE:
        shape = (*level.shape[:-2], *(-(-size // 2) for size in level.shape[-2:]))
        above, step = level, level.shards or level.chunks
        level = group.create_array(
            str(len(levels)),
            shape=shape,
            chunks=level.chunks,
            shards=level.shards,
            dtype=level.dtype,
            dimension_names=list(axes),
        )
        for target in split(shape, step):
            source = (*target[:-2], *(slice(2 * part.start, 2 * part.stop) for part in target[-2:]))
            level[target] = halve(np.asarray(above[source]))
        levels.append(level)
    return levels


def halve(block: np.ndarray) -> np.ndarray:
    """Average 2x2 pixels of the last two axes; an odd last row or column is repeated."""
    odd = [(0, 0)] * (block.ndim - 2) + [(0, size % 2) for size in block.shape[-2:]]
    padded = np.pad(block, odd, mode="edge").astype(np.float64)
    height, width = padded.shape[-2] // 2, padded.shape[-1] // 2
    mean = padded.reshape(*block.shape[:-2], height, 2, width, 2).mean(axis=(-3, -1))
    return (np.rint(mean) if block.dtype.kind in "ui" else mean).astype(block.dtype)
