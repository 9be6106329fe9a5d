"""A bounded sample of a channel, and what an intensity mapping needs to know of it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.sampling import evenly, sample_positions
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.correlation import estimate_correlation
from napari_clip_denoise.noise.estimate import (
    NoiseEstimate,
    NoiseVariance,
    estimate_noise,
    quantisation_step,
)

MAX_PLANES = 16
MAX_EXACT_PIXELS = 2**26
WINDOW_SIDE = 512
MAX_WINDOWS_PER_SIDE = 4
LEAST_GROWTH = 1.5
MOST_CORRELATION = 0.45
LEAST_SEEN = 0.02
MOST_LIFTED_PHOTONS = 2.0
MOST_LIFTED = 0.15
"""How far the floor of a transform may lie above usual values, in photons and of the range.

Read noise around a dark level reaches a photon below the floor.
"""
MOST_COUNTS = 8
LARGE = 1e30
"""Ranges beyond this, or below its inverse, are calculated in float64."""


class ChannelSample:
    """A sample of a channel, spread evenly over its planes and within them, read when needed.

    Parameters
    ----------
    stack : Stack
        The image.
    channel : int or None
        Index of the channel; None if the image has no channel axis.
    """

    def __init__(self, stack: Stack, channel: int | None = None):
        self._stack = stack
        self._channel = channel

    def percentiles(self, low: float, high: float) -> tuple[float, float]:
        """Return two percentiles of the sample, given from 0 to 100."""
        values = self._known(self._planes)
        with np.errstate(over="ignore", invalid="ignore"):
            first, second = np.percentile(values, (low, high), overwrite_input=True)
        return float(first), float(second)

    def moments(self) -> tuple[float, float]:
        """Return the mean and the standard deviation of the sample."""
        values = self._known(self._planes)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))

    def extremes(self) -> tuple[float, float]:
        """Return the smallest and largest value, exact up to 67 million pixels."""
        sizes = self._sizes
        if np.prod(sizes, dtype=float) > MAX_EXACT_PIXELS:
            return self._ends_of(self._planes)
        whole = (slice(None), slice(None))
        most = math.prod(self._leading)
        return self._ends_of(list(self._read(most, [whole])))

    def type_range(self) -> tuple[float, float]:
        """Return the range of the integer type, or (0, 1) for floating-point values."""
        if np.issubdtype(self._stack.dtype, np.floating):
            return 0.0, 1.0
        info = np.iinfo(self._stack.dtype)
        return float(info.min), float(info.max)

    def stabilising_transform(self, low: float, high: float) -> AnscombeTransform | None:
        """Estimate the variance-stabilising transform of the noise between two raw values.

        Returns
        -------
        AnscombeTransform or None
            None if it is not needed, because the noise hardly grows with the value; if it would
            lift usual values to its floor; or if the noise is so correlated that most of it cannot
            be measured.
        """
        is_usual = max(abs(low), abs(high)) < LARGE and high - low > 1 / LARGE
        found = self._estimate if is_usual else None
        if found is None or found.gain <= 0:
            return None
        at_low, at_high = found.variance(np.array([low, high]))
        transform = AnscombeTransform(found.gain, found.intercept)
        lifted = transform.floor - low
        most_lifted = min(MOST_LIFTED_PHOTONS * found.gain, MOST_LIFTED * (high - low))
        if at_high <= LEAST_GROWTH * at_low or lifted > most_lifted:
            return None
        return None if _is_correlated(self._middles) else transform

    def is_counts(self, low: float, high: float) -> bool:
        """Return whether the values from `low` to `high` are a few counts, as of single photons."""
        step = quantisation_step(self._middles)
        return 0 < high - low <= MOST_COUNTS * step

    def noise(self, transform: AnscombeTransform | None) -> NoiseVariance | None:
        """Estimate the variance of the noise, also of noise that neighbouring pixels share.

        Cameras interpolate the colours of RGB images and compress them. What is left of the noise
        then depends on the structure, so it is unknown where neighbouring pixels share it.

        Parameters
        ----------
        transform : AnscombeTransform or None
            Transform that stabilises the noise, if any.

        Returns
        -------
        NoiseVariance or None
            In squared raw units; None if it cannot be measured.
        """
        found = self._estimate
        if found is None:
            return None
        if transform:
            correlation = estimate_correlation(transform.forward(m) for m in self._middles)
        else:
            correlation = estimate_correlation(self._middles, found)
        if correlation is None:
            return found.scaled(1)
        if self._stack.is_rgb and not correlation.is_white:
            return None
        seen = float(np.clip(correlation.seen_by_high_pass, LEAST_SEEN, 1))
        return replace(found.scaled(seen**-correlation.certainty), wide=correlation.wide)

    @cached_property
    def _middles(self) -> list[np.ndarray]:
        """Middle parts of the planes, (Y, X), those of the colours of RGB one by one."""
        middles = [_middle(self._planes[i]) for i in evenly(len(self._planes), MAX_PLANES)]
        return [s for middle in middles for s in np.moveaxis(np.atleast_3d(middle), -1, 0)]

    @cached_property
    def _estimate(self) -> NoiseEstimate | None:
        return estimate_noise(self._middles)

    def _known(self, planes: list[np.ndarray]) -> np.ndarray:
        """Return the values (N,) that are finite and no padding."""
        values = np.concatenate([plane.ravel() for plane in planes])
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
            if values.size and float(np.abs(values).max()) > LARGE:
                values = values.astype(np.float64)
        if not values.size:
            where = "The image" if self._channel is None else f"Channel {self._channel}"
            raise InputError(f"{where} has no finite value; give an image that has some.")
        return values

    def _ends_of(self, planes: list[np.ndarray]) -> tuple[float, float]:
        values = self._known(planes)
        return float(values.min()), float(values.max())

    @cached_property
    def _planes(self) -> list[np.ndarray]:
        """Windows of up to `MAX_PLANES` planes, (Y, X) or, for RGB, (Y, X, S)."""
        windows = [
            (slice(y0, y1), slice(x0, x1))
            for y0, y1 in _pieces(self._stack.plane_shape[0])
            for x0, x1 in _pieces(self._stack.plane_shape[1])
        ]
        return list(self._read(MAX_PLANES, windows))

    @property
    def _sizes(self) -> list[int]:
        axes = zip(self._stack.axes, self._stack.shape, strict=True)
        return [1 if axis == "c" else size for axis, size in axes]

    @property
    def _leading(self) -> tuple[int, ...]:
        return tuple(self._sizes[: -3 if self._stack.is_rgb else -2])

    def _read(self, most: int, windows: list[tuple[slice, slice]]) -> Iterator[np.ndarray]:
        for position in map(list, sample_positions(self._leading, most)):
            if self._channel is not None:
                position[self._stack.axes.index("c")] = self._channel
            for window in windows:
                yield self._without_padding(self._stack.read_plane(position, window))

    def _without_padding(self, plane: np.ndarray) -> np.ndarray:
        if self._stack.padding is None:
            return plane
        first, last = self._stack.padding
        return np.where((plane >= first) & (plane <= last), np.nan, plane)


def _is_correlated(samples: list[np.ndarray]) -> bool:
    """Return whether the noise is so correlated that `estimate_noise` misses most of it."""
    correlation = estimate_correlation(samples)
    if correlation is None:
        return False
    return max(correlation.horizontal, correlation.vertical) > MOST_CORRELATION


def _middle(plane: np.ndarray) -> np.ndarray:
    """Crop the middle of a plane to at most `WINDOW_SIDE` rows and columns."""
    start = [max(0, (length - WINDOW_SIDE) // 2) for length in plane.shape[:2]]
    return plane[start[0] : start[0] + WINDOW_SIDE, start[1] : start[1] + WINDOW_SIDE]


def _pieces(length: int) -> list[tuple[int, int]]:
    """Return windows along an axis: the whole of a short one, evenly spaced ones of a long one."""
    if length <= WINDOW_SIDE * MAX_WINDOWS_PER_SIDE:
        return [(0, length)]
    edges = np.linspace(0, length, MAX_WINDOWS_PER_SIDE + 1).astype(int)
    middles = [(int(a) + int(b)) // 2 for a, b in pairwise(edges)]
    return [(middle - WINDOW_SIDE // 2, middle + WINDOW_SIDE // 2) for middle in middles]
