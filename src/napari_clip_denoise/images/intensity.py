"""Intensity mapping: raw values to the network's scale of about [0, 1] and back.

A whole channel of a stack has a single mapping, so that planes do not flicker.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.channel_sample import LARGE, ChannelSample
from napari_clip_denoise.images.intensity_methods import INTENSITIES, Anscombe, Ends
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.estimate import NoiseVariance

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
    noise : NoiseVariance or None
        Variance of the noise of raw values; None if it is unknown.
    keeps_mean : bool
        Whether the local mean of the noisy values is given back to the result. It is set for a few
        photons a pixel, which look like impulses to a network.
    """

    low: float
    high: float
    anscombe: AnscombeTransform | None = None
    noise: NoiseVariance | None = None
    keeps_mean: bool = False

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

    def noise_level(self, values: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the noise on the network's scale.

        Parameters
        ----------
        values : numpy.ndarray
            Raw values with little noise, any shape, finite.

        Returns
        -------
        numpy.ndarray
            Same shape, float32; NaN if the noise is unknown.
        """
        if self.noise is None:
            return np.full(np.shape(values), np.nan, np.float32)
        _, span = self._line
        if self.anscombe is not None:
            growth = np.sqrt(self.noise.gain / self.anscombe.gain)
            deviation = growth * self.anscombe.deviation(values)
        else:
            deviation = np.sqrt(self.noise.variance(values))
        return (deviation / (span or 1)).astype(np.float32)

    @cached_property
    def has_constant_noise(self) -> bool:
        """True if the noise level is the same at all values, or unknown."""
        if self.noise is None or self.anscombe is None:
            return self.noise is None or self.noise.gain == 0
        return float(self.anscombe.deviation(np.array(self.low))) == 1

    def denormalize_change(
        self,
        values: np.ndarray,
        normalized_change: np.ndarray,
        kept: np.ndarray | None = None,
    ) -> np.ndarray:
        """Convert a change on the network's scale to a change of the raw values.

        Parameters
        ----------
        values : numpy.ndarray
            Noisy raw values, any shape, finite.
        normalized_change : numpy.ndarray
            Denoised minus noisy on the network's scale, float32, same shape as `values`.
        kept : numpy.ndarray, optional
            From 0 to 1, how much of each pixel was never denoised, because nothing varies around
            it; by default all was denoised.

        Returns
        -------
        numpy.ndarray
            Denoised minus noisy in raw units, exactly 0 where a pixel was not denoised at all.

        Notes
        -----
        The inverse of the Anscombe transform lies about a quarter of a photon above a value, since
        it returns the mean of noisy values. All that was denoised gets it, also where the network
        changes nothing; values that were kept have no noise, and do not.
        """
        exact = self._exact_type(values).type
        _, span = self._line
        if self.anscombe is None:
            return exact(span) * normalized_change
        noisy = self.anscombe.forward(values)
        change = self.anscombe.inverse(noisy + exact(span) * normalized_change)
        change -= values.astype(exact)
        if kept is not None:
            change -= kept.astype(exact) * (self.anscombe.inverse(noisy) - values.astype(exact))
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


NoiseLevel = Literal["auto", "blind"] | Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Measure the noise, let the network guess it, or its standard deviation in raw units."""


def parse_noise_level(text: str) -> NoiseLevel:
    """Parse a noise level such as ``auto``, ``blind`` or ``25``.

    Raises
    ------
    InputError
        If it is neither a known word nor a number.
    """
    if text in ("auto", "blind"):
        return text  # type: ignore[return-value]
    try:
        return float(text)
    except ValueError as error:
        raise InputError(
            f"The noise level '{text}' is unknown; give auto, blind, or a standard deviation such "
            "as 25."
        ) from error


def estimate_mapping(
    stack: Stack, intensity: Intensity, noise_level: NoiseLevel = "blind"
) -> IntensityMapping:
    """Estimate the mapping of each channel, and its noise if wanted.

    Parameters
    ----------
    stack : Stack
        The image to denoise.
    intensity : str or (float, float)
        Name of one of `napari_clip_denoise.images.intensity_methods.INTENSITIES`, or the raw values
        that become 0 and 1.
    noise_level : str or float
        ``"auto"`` measures the noise of each channel. A number is the standard deviation of noise
        that does not depend on the value, in raw units; no transform then stabilises it.
        ``"blind"`` leaves the noise unknown.

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
    method = INTENSITIES[intensity] if isinstance(intensity, str) else None
    depends_on_pixels = noise_level == "auto" or not (method is None or method.is_shared)
    has_channels = "c" in stack.axes and depends_on_pixels
    channels = range(stack.shape[stack.axes.index("c")]) if has_channels else (None,)
    mappings = []
    for sample in (ChannelSample(stack, channel) for channel in channels):
        ends = method.ends(sample) if method else Ends(*intensity)
        mapping = ChannelMapping(ends.low, ends.high, ends.anscombe, keeps_mean=ends.keeps_mean)
        noise = None
        if noise_level == "auto":
            noise = sample.noise(mapping.anscombe)
        elif noise_level != "blind":
            noise = NoiseVariance(0, noise_level**2)
            mapping = replace(mapping, anscombe=None)
        mappings.append(replace(mapping, noise=noise))
    return IntensityMapping(tuple(mappings))
