"""Mapping raw values to the network's scale of about [0, 1] and back.

One mapping holds for a whole channel of a stack, so that planes do not flicker.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from napari_clip_denoise.errors import InputError
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
MAX_WINDOWS_A_SIDE = 4
LEAST_GROWTH = 1.5
MOST_CORRELATION = 0.45


@dataclass(frozen=True)
class ChannelMapping:
    """How one channel maps to the network's scale and back.

    Attributes
    ----------
    low, high : float
        The raw values that become 0 and 1. Equal values mark a constant channel, which is
        left as it is.
    anscombe : AnscombeTransform or None
        Applied before the linear mapping, where the noise grows with the value.
    """

    low: float
    high: float
    anscombe: AnscombeTransform | None = None

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Map raw values (any shape, finite) to the network's scale, float32."""
        low, span = self._line
        if self.anscombe is not None:
            exact = self.anscombe.forward(values)
        else:
            exact = values.astype(np.result_type(values, np.float32))
        exact -= exact.dtype.type(low)
        exact *= exact.dtype.type(1 / (span or 1))
        return exact.astype(np.float32, copy=False)

    def expected(self, values: np.ndarray) -> np.ndarray:
        """Map raw values without noise to the mean of what noisy ones around them map to."""
        if self.anscombe is None:
            return self.to_unit(values)
        low, span = self._line
        return ((self.anscombe.expected(values) - low) / (span or 1)).astype(np.float32)

    def change(self, values: np.ndarray, unit_change: np.ndarray) -> np.ndarray:
        """Give the raw change that a change on the network's scale stands for.

        Parameters
        ----------
        values : numpy.ndarray
            Raw values, any shape, finite.
        unit_change : numpy.ndarray
            Denoised minus noisy on the network's scale, float32, of the same shape.

        Returns
        -------
        numpy.ndarray
            Exactly 0 where `unit_change` is.
        """
        exact = np.result_type(values, np.float32).type
        _, span = self._line
        if self.anscombe is None:
            return exact(span) * unit_change
        denoised = self.anscombe.forward(values)
        denoised += exact(span) * unit_change
        change = self.anscombe.inverse(denoised)
        change -= values.astype(exact)
        change *= unit_change != 0
        return change

    @cached_property
    def _line(self) -> tuple[float, float]:
        """What becomes 0, and how far from it 1 is, after the transform."""
        ends = np.array([self.low, self.high])
        if self.anscombe is not None:
            ends = self.anscombe.forward(ends)
        return float(ends[0]), float(ends[1] - ends[0])


@dataclass(frozen=True)
class IntensityMapping:
    """The mappings of all channels.

    Attributes
    ----------
    channels : tuple of ChannelMapping
        One a channel; a single one where there is no channel axis or all channels share it.
    """

    channels: tuple[ChannelMapping, ...]

    def channel(self, number: int) -> ChannelMapping:
        """Mapping of a channel."""
        return self.channels[number if len(self.channels) > 1 else 0]

    def part(self, first: int, last: int) -> "IntensityMapping":
        """Mapping of a stack that holds only the channels from `first` to before `last`."""
        return self if len(self.channels) == 1 else IntensityMapping(self.channels[first:last])


def parse_intensity(text: str) -> Intensity:
    """Read an intensity setting such as ``percentile`` or ``0,65535``.

    Raises
    ------
    InputError
        If it is neither a known name nor a pair of numbers.
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
    """Find the mapping of each channel.

    Parameters
    ----------
    stack : Stack
        What is to be denoised.
    intensity : str or (float, float)
        ``"percentile"``: the 1st and 99th percentile of up to 16 planes a channel;
        ``"anscombe"``: the same after the generalized Anscombe transform, with the gain and
        read noise estimated from these planes, if the noise grows with the value and that
        of neighbours is independent enough to be measured;
        ``"minmax"``: smallest and largest value, of the same sample where the channel has
        more than 67 million pixels; ``"dtype"``: range of an integer type, [0, 1] for
        floats; ``"window"``: CT in Hounsfield units, -1024 to 3072; or the raw values that
        become 0 and 1.

    Returns
    -------
    IntensityMapping
        One a channel for the estimated kinds, one for all otherwise.

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
    if not values.size:
        where = "The image" if channel is None else f"Channel {channel}"
        raise InputError(f"{where} has no finite value; give an image that has some.")
    extremes = float(values.min()), float(values.max())
    if intensity == "minmax":
        return ChannelMapping(*extremes)
    low, high = (float(value) for value in np.percentile(values, PERCENTILES, overwrite_input=True))
    if high <= low:
        return ChannelMapping(*extremes)
    transform = _transform(planes, low, high) if intensity == "anscombe" else None
    return ChannelMapping(low, high, transform)


def _transform(planes: list[np.ndarray], low: float, high: float) -> AnscombeTransform | None:
    """Find the transform that stabilises the noise, if that grows enough to matter."""
    chosen = np.linspace(0, len(planes) - 1, min(len(planes), MAX_PLANES)).round().astype(int)
    middles = [_middle(planes[i]) for i in chosen]
    samples = [s for middle in middles for s in np.moveaxis(np.atleast_3d(middle), -1, 0)]
    found = estimate_noise(samples)
    if found is None or found.gain <= 0:
        return None
    at_low, at_high = found.variance(np.array([low, high]))
    if at_high <= LEAST_GROWTH * at_low or _is_correlated(samples):
        return None
    return AnscombeTransform(found.gain, found.intercept)


def _is_correlated(samples: list[np.ndarray]) -> bool:
    """Whether neighbours share so much noise that `estimate_noise` misses most of it."""
    correlation = estimate_correlation(samples)
    if correlation is None:
        return False
    return max(correlation.horizontal, correlation.vertical) > MOST_CORRELATION


def _middle(plane: np.ndarray) -> np.ndarray:
    """Cut out the middle of a plane, `WINDOW_SIDE` a side at most."""
    start = [max(0, (length - WINDOW_SIDE) // 2) for length in plane.shape[:2]]
    return plane[start[0] : start[0] + WINDOW_SIDE, start[1] : start[1] + WINDOW_SIDE]


def _sample(stack: Stack, channel: int | None, *, whole: bool) -> Iterator[np.ndarray]:
    """Read a bounded sample of a channel, spread evenly over planes and within them.

    Yields
    ------
    numpy.ndarray
        (Y, X) or, of RGB, (Y, X, S).
    """
    sizes = [1 if axis == "c" else n for axis, n in zip(stack.axes, stack.shape, strict=True)]
    n_plane_axes = 3 if stack.is_rgb else 2
    leading = sizes[:-n_plane_axes]
    exact = whole and np.prod(sizes, dtype=float) <= MAX_EXACT_PIXELS
    n_planes = int(np.prod(leading, dtype=np.int64))
    chosen = np.linspace(0, n_planes - 1, n_planes if exact else min(n_planes, MAX_PLANES))
    windows = [
        (slice(y0, y1), slice(x0, x1))
        for y0, y1 in _pieces(stack.plane_shape[0])
        for x0, x1 in _pieces(stack.plane_shape[1])
    ]
    if exact:
        windows = [(slice(None), slice(None))]
    for flat in np.unique(chosen.round().astype(np.int64)):
        position = [int(i) for i in np.unravel_index(flat, leading)] if leading else []
        if channel is not None:
            position[stack.axes.index("c")] = channel
        for window in windows:
            yield stack.read_plane(position, window)


def _pieces(length: int) -> list[tuple[int, int]]:
    """Windows along an axis: all of a short one, evenly spread pieces of a long one."""
    if length <= WINDOW_SIDE * MAX_WINDOWS_A_SIDE:
        return [(0, length)]
    edges = np.linspace(0, length, MAX_WINDOWS_A_SIDE + 1).astype(int)
    middles = [(int(a) + int(b)) // 2 for a, b in pairwise(edges)]
    return [(middle - WINDOW_SIDE // 2, middle + WINDOW_SIDE // 2) for middle in middles]
