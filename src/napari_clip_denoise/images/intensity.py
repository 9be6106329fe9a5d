"""Mapping raw values to the network's scale of about [0, 1] and back.

One pair (low, high) holds for a whole channel of a stack, so that planes do not flicker.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.source import Stack

IntensityName = Literal["percentile", "minmax", "dtype", "window"]
Intensity = IntensityName | tuple[float, float]

PERCENTILES = (1.0, 99.0)
CT_WINDOW = (-1024.0, 3072.0)
MAX_PLANES = 16
MAX_EXACT_PIXELS = 2**26
WINDOW_SIDE = 512
MAX_WINDOWS_A_SIDE = 4


@dataclass(frozen=True)
class IntensityMapping:
    """The raw values that become 0 and 1, one pair a channel.

    Attributes
    ----------
    pairs : tuple of (float, float)
        (low, high) of each channel; a single pair where there is no channel axis. Equal
        values mark a constant channel, which is left as it is.
    """

    pairs: tuple[tuple[float, float], ...]

    def pair(self, channel: int) -> tuple[float, float]:
        """(low, high) of a channel."""
        return self.pairs[channel if len(self.pairs) > 1 else 0]


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
    """Find the pair (low, high) of each channel.

    Parameters
    ----------
    stack : Stack
        What is to be denoised.
    intensity : str or (float, float)
        ``"percentile"``: the 1st and 99th percentile of up to 16 planes a channel;
        ``"minmax"``: smallest and largest value, of the same sample where the channel has
        more than 67 million pixels; ``"dtype"``: range of an integer type, [0, 1] for
        floats; ``"window"``: CT in Hounsfield units, -1024 to 3072; or the pair itself.

    Returns
    -------
    IntensityMapping
        One pair a channel for the estimated kinds, one for all otherwise.

    Raises
    ------
    InputError
        If a channel has no finite value, or the setting is unknown.
    """
    if not isinstance(intensity, str):
        return IntensityMapping((check_pair(intensity),))
    if intensity == "window":
        return IntensityMapping((CT_WINDOW,))
    if intensity == "dtype":
        if np.issubdtype(stack.dtype, np.floating):
            return IntensityMapping(((0.0, 1.0),))
        info = np.iinfo(stack.dtype)
        return IntensityMapping(((float(info.min), float(info.max)),))
    if intensity not in ("percentile", "minmax"):
        parse_intensity(intensity)
    channels = range(stack.shape[stack.axes.index("c")]) if "c" in stack.axes else (None,)
    return IntensityMapping(tuple(_estimate(stack, channel, intensity) for channel in channels))


def _estimate(stack: Stack, channel: int | None, intensity: str) -> tuple[float, float]:
    values = _sample(stack, channel, whole=intensity == "minmax")
    values = values[np.isfinite(values)]
    if not values.size:
        where = "The image" if channel is None else f"Channel {channel}"
        raise InputError(f"{where} has no finite value; give an image that has some.")
    extremes = float(values.min()), float(values.max())
    if intensity == "minmax":
        return extremes
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    return (low, high) if high > low else extremes


def _sample(stack: Stack, channel: int | None, *, whole: bool) -> np.ndarray:
    """Read a bounded sample of a channel, spread evenly over planes and within them."""
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
    parts = []
    for flat in np.unique(chosen.round().astype(np.int64)):
        position = [int(i) for i in np.unravel_index(flat, leading)] if leading else []
        index = [slice(i, i + 1) for i in position]
        if channel is not None:
            index[stack.axes.index("c")] = slice(channel, channel + 1)
        for window in windows:
            samples = (slice(0, 3),) if stack.is_rgb else ()
            parts.append(stack.read((*index, *window, *samples)).ravel())
    return np.concatenate(parts)


def _pieces(length: int) -> list[tuple[int, int]]:
    """Windows along an axis: all of a short one, evenly spread pieces of a long one."""
    if length <= WINDOW_SIDE * MAX_WINDOWS_A_SIDE:
        return [(0, length)]
    edges = np.linspace(0, length, MAX_WINDOWS_A_SIDE + 1).astype(int)
    middles = [(int(a) + int(b)) // 2 for a, b in pairwise(edges)]
    return [(middle - WINDOW_SIDE // 2, middle + WINDOW_SIDE // 2) for middle in middles]
