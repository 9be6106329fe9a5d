"""Overlapping tiles of a plane, on a grid that depends on the plane alone.

A result put together from any set of regions is therefore the same as that of the whole
plane.
"""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.denoiser import STRIDE

BLEND = 32
"""Pixels over which neighbouring tiles fade into each other."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis.

    Attributes
    ----------
    start, stop : int
        What the network sees; `start` is a multiple of the encoder's stride, and `stop` may
        lie beyond the plane, where it is reflect-padded.
    weight_start : int
        Where `weights` begin.
    weights : numpy.ndarray
        float32; the weights of all tiles add up to 1 at each pixel of the plane.
    """

    start: int
    stop: int
    weight_start: int
    weights: np.ndarray

    @property
    def weight_stop(self) -> int:
        """Where `weights` end."""
        return self.weight_start + len(self.weights)


def padded(length: int, multiple: int) -> int:
    """Round a length up to a multiple."""
    return -(-length // multiple) * multiple


def smallest_tile(halo: int) -> int:
    """Smallest side that leaves something of a tile inside its halo."""
    return 2 * halo + BLEND + 2 * STRIDE


def half_tile(tile: int, halo: int) -> int | None:
    """Give the side of tiles half as large, or None where they would be too small."""
    half = tile // 2 // STRIDE * STRIDE
    return half if half >= smallest_tile(halo) else None


def layout(length: int, tile: int, halo: int, multiple: int) -> list[Span]:
    """Lay tiles along an axis.

    Parameters
    ----------
    length : int
        Pixels of the plane along the axis.
    tile : int
        Side of a tile, a multiple of 16. An axis that is not longer gets one tile.
    halo : int
        Pixels at a cut edge that are thrown away.
    multiple : int
        The plane is reflect-padded at its end to a multiple of this.

    Returns
    -------
    list of Span
        In ascending order, all of the same size.

    Raises
    ------
    InputError
        If the tile is too small for its halo.
    """
    end = padded(length, multiple)
    if end <= tile:
        return [Span(0, end, 0, np.ones(length, np.float32))]
    if tile < smallest_tile(halo):
        raise InputError(
            f"A tile of {tile} pixels is too small for this model; "
            f"give at least {smallest_tile(halo)}."
        )
    step = tile - 2 * halo - BLEND
    n_tiles = -(-(end - tile) // step) + 1
    starts = (np.linspace(0, end - tile, n_tiles) // STRIDE).astype(int) * STRIDE
    ramps = np.stack([_trapezoid(start, tile, halo, length, end) for start in starts])
    ramps /= ramps.sum(axis=0)
    spans = []
    for start, ramp in zip(starts.tolist(), ramps, strict=True):
        inside = np.flatnonzero(ramp)
        first, last = int(inside[0]), int(inside[-1]) + 1
        spans.append(Span(start, start + tile, first, ramp[first:last].astype(np.float32)))
    return spans


def single(part: slice, length: int, halo: int, multiple: int) -> Span:
    """Lay one tile over a part of an axis and its halo, as small as the stride allows.

    Parameters
    ----------
    part : slice
        What the tile is for, within the axis.
    length, halo, multiple : int
        See `layout`.
    """
    start = max(0, part.start - halo) // STRIDE * STRIDE
    stop = min(padded(part.stop + halo, STRIDE), padded(length, multiple))
    return Span(start, stop, part.start, np.ones(part.stop - part.start, np.float32))


def _trapezoid(start: int, tile: int, halo: int, length: int, end: int) -> np.ndarray:
    position = np.arange(length) + 0.5
    rise = np.ones(length) if start == 0 else (position - (start + halo)) / BLEND
    stop = start + tile
    fall = np.ones(length) if stop == end else (stop - halo - position) / BLEND
    return np.clip(np.minimum(rise, fall), 0, 1)


def reflect_index(start: int, stop: int, length: int) -> np.ndarray:
    """Index an axis of `length` at positions beyond its end, mirrored without repeat."""
    period = max(1, 2 * (length - 1))
    folded = np.arange(start, stop) % period
    return np.where(folded < length, folded, period - folded)
