"""Intensity mapping: raw values to the network's scale of about [0, 1] and back.

A whole channel of a stack has a single mapping, so that planes do not flicker.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.channel_sample import ChannelSample
from napari_clip_denoise.images.intensity_methods import INTENSITIES, Anscombe
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.anscombe import AnscombeTransform

DEFAULT_INTENSITY = Anscombe.name


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
            exact = values.astype(np.result_type(values, np.float32))
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
        exact = np.result_type(values, np.float32).type
        _, span = self._line
        if self.anscombe is None:
            return exact(span) * normalized_change
        denoised = self.anscombe.forward(values)
        denoised += exact(span) * normalized_change
        change = self.anscombe.inverse(denoised)
        change -= values.astype(exact)
        change *= normalized_change != 0
        return change

    @cached_property
    def _line(self) -> tuple[float, float]:
        """Offset and span of the linear mapping, after the transform."""
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
        One per channel, or a single one for all.
    """

    channels: tuple[ChannelMapping, ...]

    def channel(self, number: int) -> ChannelMapping:
        """Return the mapping of a channel."""
        return self.channels[number if len(self.channels) > 1 else 0]

    def part(self, first: int, last: int) -> "IntensityMapping":
        """Return the mapping of the channels ``first:last``."""
        return self if len(self.channels) == 1 else IntensityMapping(self.channels[first:last])


def check_intensity(intensity: str | tuple[float, float]) -> str | tuple[float, float]:
    """Check that an intensity setting is a known name, or a finite and increasing pair.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(intensity, str):
        if intensity not in INTENSITIES:
            raise InputError(
                f"The intensity '{intensity}' is unknown; give one of {', '.join(INTENSITIES)}, or "
                "two numbers such as 0,65535."
            )
        return intensity
    low, high = intensity
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(
            f"The intensity range {low:g} to {high:g} is not usable; "
            "give two finite numbers, the smaller one first."
        )
    return low, high


Intensity = Annotated[str | tuple[float, float], AfterValidator(check_intensity)]
"""Name of one of `INTENSITIES`, or the raw values that become 0 and 1."""


def parse_intensity(text: str) -> Intensity:
    """Parse an intensity setting such as ``percentile`` or ``0,65535``.

    Raises
    ------
    InputError
        If it is neither a known name nor an increasing pair of numbers.
    """
    try:
        low, high = (float(part) for part in text.replace(":", ",").split(","))
    except ValueError:
        return check_intensity(text)
    return check_intensity((low, high))


def estimate_mapping(stack: Stack, intensity: Intensity) -> IntensityMapping:
    """Estimate the mapping of each channel.

    Parameters
    ----------
    stack : Stack
        The image to denoise.
    intensity : str or (float, float)
        Name of one of `napari_clip_denoise.images.intensity_methods.INTENSITIES`, or the raw values
        that become 0 and 1.

    Returns
    -------
    IntensityMapping
        One mapping per channel if estimated from the image, otherwise one for all channels.

    Raises
    ------
    InputError
        If a channel has no finite value, or the setting is unknown.
    """
    intensity = check_intensity(intensity)
    if not isinstance(intensity, str):
        return IntensityMapping((ChannelMapping(*intensity),))
    method = INTENSITIES[intensity]
    has_channels = "c" in stack.axes and not method.is_shared
    channels = range(stack.shape[stack.axes.index("c")]) if has_channels else (None,)
    samples = (ChannelSample(stack, channel) for channel in channels)
    return IntensityMapping(tuple(ChannelMapping(*method.ends(sample)) for sample in samples))
