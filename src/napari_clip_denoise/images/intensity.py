"""Intensity mapping: raw values to the network's scale of about [0, 1] and back.

A whole channel of a stack has a single mapping, so that planes do not flicker.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.sampling import evenly, sample_positions
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.correlation import estimate_correlation
from napari_clip_denoise.noise.estimate import estimate_noise

IntensityName = Literal["anscombe", "percentile", "minmax", "dtype", "window"]
Intensity = IntensityName | tuple[float, float]

DEFAULT_INTENSITY: IntensityName = "anscombe"
PERCENTILES = (1.0, 99.0)
CT_WINDOW = (-1024.0, 3072.0)
MAX_PLANES = 16
MAX_EXACT_PIXELS = 2**26
WINDOW_SIDE = 512
MAX_WINDOWS_PER_SIDE = 4
LEAST_GROWTH = 1.5
MOST_CORRELATION = 0.45
LARGE = 1e30
"""Ranges beyond this, or below its inverse, are calculated in float64."""


@dataclass(frozen=True)
class ChannelMapping:
    """The mapping of a channel to the network's scale and back.

    Attributes
    ----------
    low, high : float
        The raw values that map to 0 and 1. Equal values mark a constant channel, which is not
        denoised.
    anscombe : AnscombeTransform or None
        Variance-stabilising transform applied before the linear mapping, if any.
    """

    low: float
    high: float
    anscombe: AnscombeTransform | None = None

    def normalize(self, values: np.ndarray) -> np.ndarray:
        """Map raw values (any shape, finite) to the network's scale, as float32."""
        low, span = self._line
        if self.anscombe is not None:
            exact = self.anscombe.forward(values)
        else:
            exact = values.astype(self._exact_type(values))
        exact -= exact.dtype.type(low)
        exact *= exact.dtype.type(1 / (span or 1))
        return exact.astype(np.float32, copy=False)

    def expected(self, values: np.ndarray) -> np.ndarray:
        """Return the expected normalized value of noisy pixels whose clean raw values are given."""
        if self.anscombe is None:
            return self.normalize(values)
        low, span = self._line
        return ((self.anscombe.expected(values) - low) / (span or 1)).astype(np.float32)

    def denormalize_change(self, values: np.ndarray, normalized_change: np.ndarray) -> np.ndarray:
        """Convert a change on the network's scale to a change of the raw values.

        Parameters
        ----------
        values : numpy.ndarray
            Noisy raw values, any shape, finite.
        normalized_change : numpy.ndarray
            Denoised minus noisy on the network's scale, float32, same shape as `values`.

        Returns
        -------
        numpy.ndarray
            Denoised minus noisy in raw units, exactly 0 where `normalized_change` is 0.
        """
        exact = self._exact_type(values).type
        _, span = self._line
        if self.anscombe is None:
            return exact(span) * normalized_change
        denoised = self.anscombe.forward(values)
        denoised += exact(span) * normalized_change
        change = self.anscombe.inverse(denoised)
        change -= values.astype(exact)
        change *= normalized_change != 0
        return change

    def _exact_type(self, values: np.ndarray) -> np.dtype:
        """Return the type to calculate in; float32 unless the range of values exceeds it."""
        low, span = self._line
        fits = max(abs(low), abs(span)) < LARGE and (not span or abs(span) > 1 / LARGE)
        return np.result_type(values, np.float32 if fits else np.float64)

    @cached_property
    def _line(self) -> tuple[float, float]:
        """Offset and span of the linear mapping, after the transform."""
        ends = np.array([self.low, self.high])
        if self.anscombe is not None:
            ends = self.anscombe.forward(ends)
        with np.errstate(over="ignore"):
            low, span = float(ends[0]), float(ends[1] - ends[0])
        return (low, span) if np.isfinite([low, span, 1 / (span or 1)]).all() else (low, 0.0)


@dataclass(frozen=True)
class IntensityMapping:
    """The mappings of all channels.

    Attributes
    ----------
    channels : tuple of ChannelMapping
        One per channel, or a single one for all.
    """

    channels: tuple[ChannelMapping, ...]

    def channel(self, number: int) -> ChannelMapping:
        """Return the mapping of a channel."""
        return self.channels[number if len(self.channels) > 1 else 0]

    def part(self, first: int, last: int) -> "IntensityMapping":
        """Return the mapping of the channels ``first:last``."""
        return self if len(self.channels) == 1 else IntensityMapping(self.channels[first:last])


def parse_intensity(text: str) -> Intensity:
    """Parse an intensity setting such as ``percentile`` or ``0,65535``.

    Raises
    ------
    InputError
        If it is neither a known name nor an increasing pair of numbers.
    """
    if text in get_args(IntensityName):
        return text  # type: ignore[return-value]
    try:
        low, high = (float(part) for part in text.replace(":", ",").split(","))
    except ValueError as error:
        raise InputError(
            f"The intensity '{text}' is unknown; give one of "
            f"{', '.join(get_args(IntensityName))}, or two numbers such as 0,65535."
        ) from error
    return check_pair((low, high))


def check_pair(pair: tuple[float, float]) -> tuple[float, float]:
    """Check that a pair is finite and increasing.

    Raises
    ------
    InputError
        If it is not.
    """
    low, high = pair
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(
            f"The intensity range {low:g} to {high:g} is not usable; "
            "give two finite numbers, the smaller one first."
        )
    return low, high


def estimate_mapping(stack: Stack, intensity: Intensity) -> IntensityMapping:
    """Estimate the mapping of each channel.

    Parameters
    ----------
    stack : Stack
        The image to denoise.
    intensity : str or (float, float)
        The raw values that map to 0 and 1, either given as a pair or by name:

        - ``"percentile"``: 1st and 99th percentile of up to 16 planes of each channel.
        - ``"anscombe"``: the same after the generalized Anscombe transform. Its gain and read
          noise are estimated from these planes. The transform is omitted if the noise hardly
          grows with the value, or is too correlated between neighbours to be measured.
        - ``"minmax"``: smallest and largest value, of a sample if the channel has more than 67
          million pixels.
        - ``"dtype"``: range of an integer type, or [0, 1] for floats.
        - ``"window"``: CT in Hounsfield units, -1024 to 3072.

    Returns
    -------
    IntensityMapping
        One mapping per channel if estimated from the image, otherwise one for all channels.

    Raises
    ------
    InputError
        If a channel has no finite value, or the setting is unknown.
    """
    if not isinstance(intensity, str):
        return _shared(*check_pair(intensity))
    if intensity == "window":
        return _shared(*CT_WINDOW)
    if intensity == "dtype":
        if np.issubdtype(stack.dtype, np.floating):
            return _shared(0.0, 1.0)
        info = np.iinfo(stack.dtype)
        return _shared(float(info.min), float(info.max))
    if intensity not in ("anscombe", "percentile", "minmax"):
        parse_intensity(intensity)
    channels = range(stack.shape[stack.axes.index("c")]) if "c" in stack.axes else (None,)
    return IntensityMapping(tuple(_estimate(stack, channel, intensity) for channel in channels))


def _shared(low: float, high: float) -> IntensityMapping:
    return IntensityMapping((ChannelMapping(low, high),))


def _estimate(stack: Stack, channel: int | None, intensity: str) -> ChannelMapping:
    planes = list(_sample(stack, channel, whole=intensity == "minmax"))
    values = np.concatenate([plane.ravel() for plane in planes])
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
        if values.size and max(abs(float(values.min())), abs(float(values.max()))) > LARGE:
            values = values.astype(np.float64)
    if stack.padding is not None:
        values = values[(values < stack.padding[0]) | (values > stack.padding[1])]
    if not values.size:
        where = "The image" if channel is None else f"Channel {channel}"
        raise InputError(f"{where} has no finite value; give an image that has some.")
    extremes = float(values.min()), float(values.max())
    if intensity == "minmax":
        return ChannelMapping(*extremes)
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.percentile(values, PERCENTILES, overwrite_input=True)
    low, high = map(float, ends)
    if not low < high < np.inf:
        return ChannelMapping(*extremes)
    is_usual = max(abs(low), abs(high)) < LARGE and high - low > 1 / LARGE
    wanted = intensity == "anscombe" and is_usual
    transform = _transform(planes, low, high) if wanted else None
    return ChannelMapping(low, high, transform)


def _transform(planes: list[np.ndarray], low: float, high: float) -> AnscombeTransform | None:
    """Estimate the variance-stabilising transform; None if it is not needed or not measurable."""
    middles = [_middle(planes[i]) for i in evenly(len(planes), MAX_PLANES)]
    samples = [s for middle in middles for s in np.moveaxis(np.atleast_3d(middle), -1, 0)]
    found = estimate_noise(samples)
    if found is None or found.gain <= 0:
        return None
    at_low, at_high = found.variance(np.array([low, high]))
    if at_high <= LEAST_GROWTH * at_low or _is_correlated(samples):
        return None
    return AnscombeTransform(found.gain, found.intercept)


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


def _sample(stack: Stack, channel: int | None, *, whole: bool) -> Iterator[np.ndarray]:
    """Read a bounded sample of a channel, spread evenly over planes and within them.

    Yields
    ------
    numpy.ndarray
        (Y, X) or, for RGB, (Y, X, S).
    """
    sizes = [1 if axis == "c" else n for axis, n in zip(stack.axes, stack.shape, strict=True)]
    n_plane_axes = 3 if stack.is_rgb else 2
    leading = tuple(sizes[:-n_plane_axes])
    exact = whole and np.prod(sizes, dtype=float) <= MAX_EXACT_PIXELS
    most = math.prod(leading) if exact else MAX_PLANES
    windows = [
        (slice(y0, y1), slice(x0, x1))
        for y0, y1 in _pieces(stack.plane_shape[0])
        for x0, x1 in _pieces(stack.plane_shape[1])
    ]
    if exact:
        windows = [(slice(None), slice(None))]
    for position in map(list, sample_positions(leading, most)):
        if channel is not None:
            position[stack.axes.index("c")] = channel
        for window in windows:
            yield stack.read_plane(position, window)


def _pieces(length: int) -> list[tuple[int, int]]:
    """Return windows along an axis: the whole of a short one, evenly spaced ones of a long one."""
    if length <= WINDOW_SIDE * MAX_WINDOWS_PER_SIDE:
        return [(0, length)]
    edges = np.linspace(0, length, MAX_WINDOWS_PER_SIDE + 1).astype(int)
    middles = [(int(a) + int(b)) // 2 for a, b in pairwise(edges)]
    return [(middle - WINDOW_SIDE // 2, middle + WINDOW_SIDE // 2) for middle in middles]
