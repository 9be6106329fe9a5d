"""Overlapping tiles of a plane, on a grid that depends only on the plane.

Results put together from any set of regions therefore equal that of the whole plane.
"""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.network.config import STRIDE, InputSizes

BLEND = 32
"""Width in pixels of the transition between neighbouring tiles."""


@dataclass(frozen=True)
class AxisTile:
    """A tile along one axis.

    Attributes
    ----------
    start, stop : int
        Range that the network sees. `start` is a multiple of the network's stride; `stop` may be
        beyond the end of the plane, which is reflect-padded.
    weight_start : int
        Start of the range that `weights` covers.
    weights : numpy.ndarray
        Blending weights, float32; those of all tiles add up to 1 at each pixel of the plane.
    """

    start: int
    stop: int
    weight_start: int
    weights: np.ndarray

    @property
    def weight_stop(self) -> int:
        """End of the range that `weights` covers."""
        return self.weight_start + len(self.weights)


def padded(length: int, multiple: int) -> int:
    """Round a length up to a multiple."""
    return -(-length // multiple) * multiple


def smallest_tile(halo: int, align: int = STRIDE) -> int:
    """Return the smallest tile side that leaves pixels inside the halo."""
    return 2 * halo + BLEND + 2 * max(align, STRIDE)


def half_tile(tile: int, card: ModelCard) -> int | None:
    """Return the side of tiles half as large, or None if they would be too small for a model."""
    half = tile // 2 // STRIDE * STRIDE
    for sizes in card.input_sizes:
        if sizes.tile(half) < smallest_tile(card.halo, sizes.align) or sizes.tile(half) > half:
            return None
    return half


def tile_axis(length: int, tile: int, halo: int, sizes: InputSizes) -> list[AxisTile]:
    """Cover an axis with tiles.

    Parameters
    ----------
    length : int
        Length of the plane along the axis, in pixels.
    tile : int
        Side of a tile, a multiple of 16. An axis that is not longer gets a single tile.
    halo : int
        Number of pixels that are discarded at each cut edge.
    sizes : InputSizes
        Lengths that the network takes. The end of the plane is reflect-padded to one of them.

    Returns
    -------
    list of AxisTile
        Tiles of equal size, in ascending order.

    Raises
    ------
    InputError
        If the tile is too small for its halo.
    """
    end, tile = sizes.padded(length), sizes.tile(tile)
    if end <= tile:
        return [AxisTile(0, end, 0, np.ones(length, np.float32))]
    smallest = smallest_tile(halo, sizes.align)
    if tile < smallest:
        if sizes.most is not None:
            raise InputError(
                f"This model takes tiles of {tile} pixels, which are too small for planes larger "
                f"than that, because {halo} at each edge are discarded; choose another model."
            )
        raise InputError(
            f"A tile of {tile} pixels is too small for this model; give at least "
            f"{padded(max(smallest, sizes.padded(smallest)), STRIDE)}."
        )
    step = tile - 2 * halo - BLEND
    step -= step % sizes.align if sizes.align > STRIDE else 0
    count = -(-(end - tile) // step) + 1
    starts = (np.linspace(0, end - tile, count) // sizes.align).astype(int) * sizes.align
    ramps = np.stack([_trapezoid(start, tile, halo, length, end) for start in starts])
    ramps /= ramps.sum(axis=0)
    tiles = []
    for start, ramp in zip(starts.tolist(), ramps, strict=True):
        inside = np.flatnonzero(ramp)
        first, last = int(inside[0]), int(inside[-1]) + 1
        tiles.append(AxisTile(start, start + tile, first, ramp[first:last].astype(np.float32)))
    return tiles


def single(part: slice, length: int, halo: int, sizes: InputSizes) -> AxisTile:
    """Cover a part of an axis and its halo with one tile, as small as the stride allows.

    Parameters
    ----------
    part : slice
        Part of the axis to cover.
    length, halo, sizes :
        See `tile_axis`.

    Returns
    -------
    AxisTile
        The tile.
    """
    start = max(0, part.start - halo) // sizes.align * sizes.align
    end = sizes.padded(length)
    if not sizes.least:
        stop = min(padded(part.stop + halo, STRIDE), end)
    else:
        size = min(sizes.padded(part.stop + halo - start), end)
        start = min(start, end - size)
        stop = start + size
    return AxisTile(start, stop, part.start, np.ones(part.stop - part.start, np.float32))


def _trapezoid(start: int, tile: int, halo: int, length: int, end: int) -> np.ndarray:
    position = np.arange(length) + 0.5
    rise = np.ones(length) if start == 0 else (position - (start + halo)) / BLEND
    stop = start + tile
    fall = np.ones(length) if stop == end else (stop - halo - position) / BLEND
    return np.clip(np.minimum(rise, fall), 0, 1)


def reflect_index(start: int, stop: int, length: int) -> np.ndarray:
    """Return indices into an axis for positions that may lie beyond its end, mirrored there.

    Parameters
    ----------
    start, stop : int
        Range of positions.
    length : int
        Length of the axis. The last value is not repeated by the mirroring.

    Returns
    -------
    numpy.ndarray
        Indices from 0 to ``length - 1``.
    """
    period = max(1, 2 * (length - 1))
    folded = np.arange(start, stop) % period
    return np.where(folded < length, folded, period - folded)
