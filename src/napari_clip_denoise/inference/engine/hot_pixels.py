"""Hot and dead pixels, which would mislead the network about their neighbours."""

from collections.abc import Sequence

import numpy as np

from napari_clip_denoise.images.intensity import ChannelMapping

FAR = 2.0
"""Least distance from the mapped range, as a multiple of the range."""
FAR_FROM_COUNTS = 20.0
"""The same for a few photons a pixel, which are isolated and vary much."""
MOST_SHARED = 0.1
"""Largest part of a hot pixel's excess that its third brightest neighbour has."""
SMALLEST = 4
_SQUARE = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
_NEIGHBOURS = [step for step in _SQUARE if max(map(abs, step)) == 1]
_RING = [step for step in _SQUARE if max(map(abs, step)) == 2]


def find_hot_pixels(planes: np.ndarray, mappings: Sequence[ChannelMapping]) -> np.ndarray | None:
    """Find isolated pixels that are far too bright or too dark.

    Light that passes a lens always reaches neighbouring pixels, too. A pixel is hot or dead if it
    lies far outside the mapped range and at most two of its eight neighbours have more than a tenth
    of its excess over the median of the ring around them.

    Parameters
    ----------
    planes : numpy.ndarray
        Raw values (N, Y, X, S), finite.
    mappings : sequence of ChannelMapping
        Mapping of each plane, which tells the usual range of values.

    Returns
    -------
    numpy.ndarray or None
        Mask (N, Y, X, S) of these pixels; None if there are none.
    """
    mask = None
    for number, mapping in enumerate(mappings):
        span = mapping.high - mapping.low
        if not 0 < span < np.inf or min(planes.shape[1:3]) < SMALLEST:
            continue
        far = span * (FAR_FROM_COUNTS if mapping.keeps_mean else FAR)
        for sample in range(planes.shape[3]):
            plane = planes[number, :, :, sample]
            for sign, end in ((1, mapping.high), (-1, mapping.low)):
                found = _isolated(plane, sign, end + sign * far)
                if found is not None:
                    mask = np.zeros(planes.shape, bool) if mask is None else mask
                    mask[number, *found, sample] = True
    return mask


def _isolated(plane: np.ndarray, sign: int, limit: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return y and x of the pixels beyond a limit that stand alone, above or below the others."""
    y, x = np.nonzero(plane > limit if sign > 0 else plane < limit)
    if not y.size:
        return None
    around = np.pad(plane, 2, mode="reflect")

    def at(steps: list[tuple[int, int]]) -> np.ndarray:
        return sign * np.stack([around[y + 2 + dy, x + 2 + dx] for dy, dx in steps]).astype(float)

    background = np.median(at(_RING), axis=0)
    excess = sign * plane[y, x].astype(float) - background
    third = np.sort(at(_NEIGHBOURS), axis=0)[-3] - background
    alone = third < MOST_SHARED * excess
    return (y[alone], x[alone]) if alone.any() else None
