"""Shifts between the planes of a stack, as of a stage or a sample that drifts."""

from functools import partial

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2

from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.buffers import ArrayCache
from napari_clip_denoise.inference.engine.hot_pixels import find_hot_pixels
from napari_clip_denoise.inference.engine.measured.lines import PlaneLines
from napari_clip_denoise.inference.engine.values import fill_missing, missing_in

SIDE = 512
MOST = 16
"""Largest shift in pixels."""
LEAST = 0.3
"""Shifts below this are 0: a plane that is not moved keeps its noise as it is."""
FINE, COARSE = 1.5, 12.0
"""Widths in pixels between which structure is compared: finer there is noise, coarser haze."""
CLEAR = 8.0
"""Least height of the peak of the correlation, in its standard deviations."""
DARKEST, BRIGHTEST = -0.5, 1.5
"""Values on the network's scale beyond which nothing more is seen."""
CACHE_BYTES = 2**26

Position = tuple[int, ...]
Shift = tuple[float, float]


class Drift:
    """Shifts between planes, measured on the middle of each plane.

    They depend on the two planes alone, and not on how the stack is cut into regions.

    Parameters
    ----------
    stack : Stack
        The source; at most 512 x 512 pixels of a plane are read.
    mapping : IntensityMapping
        Mapping of raw values to the network's scale.
    lines : PlaneLines, optional
        Offsets of lines to remove before.
    first : tuple of int, optional
        Position of the first plane of `stack`, if it is a part of the source.
    """

    def __init__(
        self,
        stack: Stack,
        mapping: IntensityMapping,
        lines: PlaneLines | None = None,
        first: Position | None = None,
    ):
        self._stack, self._mapping, self._lines = stack, mapping, lines
        self._first = first or (0,) * len(stack.leading_shape)
        self._window = middle(stack.plane_shape)
        sides = [part.stop - part.start for part in self._window]
        self._most = min(MOST, min(sides) // 4)
        self._shape = tuple(next_fast_len(side, real=True) for side in sides)
        self._band = _band(self._shape)
        self._taper = np.sqrt(np.outer(*(np.hanning(side + 2)[1:-1] for side in sides)))
        self._spectra = ArrayCache(CACHE_BYTES)
        self._shifts = ArrayCache(CACHE_BYTES)

    def between(self, own: Position, other: Position) -> Shift:
        """Return where a plane shows what another one shows at a place.

        Parameters
        ----------
        own, other : tuple of int
            Indices along the axes before the plane.

        Returns
        -------
        y, x : float
            Pixels to add to a place in `own` to get to the same structure in `other`; (0, 0) if
            planes hardly move against each other, or it is not clear how.
        """
        first, second = min(own, other), max(own, other)
        shift = self._shifts.get((first, second), partial(self._measure, first, second))
        y, x = map(float, shift if first == own else -shift)
        return (y, x) if (y, x) != (0, 0) else (0.0, 0.0)

    def _measure(self, first: Position, second: Position) -> np.ndarray:
        spectra = (self._spectra.get(at, partial(self._spectrum, at)) for at in (second, first))
        after, before = spectra
        cross = after * before.conj()
        size = np.abs(cross)
        largest = size.max()
        if not largest > 0:
            return np.zeros(2)
        correlation = irfft2(cross / np.sqrt(size + 1e-12 * largest), self._shape)
        near = np.roll(correlation, (self._most, self._most), axis=(0, 1))
        near = near[: 2 * self._most + 1, : 2 * self._most + 1]
        y, x = np.unravel_index(near.argmax(), near.shape)
        is_inside = 0 < y < 2 * self._most and 0 < x < 2 * self._most
        if not is_inside or near[y, x] < CLEAR * correlation.std():
            return np.zeros(2)
        at = y + _top(near[y - 1 : y + 2, x]), x + _top(near[y, x - 1 : x + 2])
        shift = np.array(at) - self._most
        return shift if np.linalg.norm(shift) >= LEAST else np.zeros(2)

    def _spectrum(self, position: Position) -> np.ndarray:
        """Return the band-passed spectrum of the middle of a plane."""
        within = [i - start for i, start in zip(position, self._first, strict=True)]
        values = self._stack.read_plane(within, self._window)
        values = values.reshape(1, *values.shape[:2], -1)
        where = self._stack.axes.find("c")
        mapping = self._mapping.channel(position[where] if where >= 0 else 0)
        values = fill_missing(values, missing_in(values, self._stack.padding))
        values = fill_missing(values, find_hot_pixels(values, [mapping]))
        if self._lines:
            index: Region = (*(slice(i, i + 1) for i in within), *self._window)
            values = values - self._lines.within(index)
        plane = mapping.normalize(values[0]).mean(axis=-1).clip(DARKEST, BRIGHTEST)
        return self._band * rfft2((plane - plane.mean()) * self._taper, self._shape)


def middle(plane_shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of a plane that shifts are measured on."""
    y, x = (
        slice(max(0, (length - SIDE) // 2), max(0, (length - SIDE) // 2) + min(length, SIDE))
        for length in plane_shape
    )
    return y, x


def _band(shape: tuple[int, ...]) -> np.ndarray:
    """Return the factor of each frequency, the difference of two Gaussians."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    fine, coarse = (np.exp(-2 * (np.pi * width * frequency) ** 2) for width in (FINE, COARSE))
    return fine - coarse


def _top(values: np.ndarray) -> float:
    """Return where a parabola through three values has its top, from -0.5 to 0.5."""
    before, at, after = values
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
