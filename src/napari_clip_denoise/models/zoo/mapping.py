"""Intensity mapping of an image as a package of another author asks for it."""

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.channel_sample import ChannelSample
from napari_clip_denoise.images.intensity import (
    DEFAULT_INTENSITY,
    ChannelMapping,
    Intensity,
    IntensityMapping,
    NoiseLevel,
)
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.models.zoo.card import Normalization, ZooCard


def package_mapping(
    stack: Stack, card: ZooCard, intensity: Intensity, noise_level: NoiseLevel
) -> IntensityMapping:
    """Return the mapping of each channel; what is measured, is measured once for all its planes.

    Parameters
    ----------
    stack : Stack
        The image to denoise, of which a bounded sample is read.
    card : ZooCard
        Card of the package.
    intensity, noise_level :
        Settings of the run. A package brings its own mapping and cannot be told the noise level.

    Raises
    ------
    InputError
        If a setting asks for something else, or a channel has no finite value.
    """
    if intensity != DEFAULT_INTENSITY:
        raise InputError(
            f"The model {card.name} brings its own intensity mapping; leave intensity at "
            f"{DEFAULT_INTENSITY}, or choose another model."
        )
    if isinstance(noise_level, float):
        raise InputError(
            f"The model {card.name} cannot be told the noise level; leave it at auto, or choose "
            "another model."
        )
    line = card.normalization
    if line.measured == "nothing":
        return IntensityMapping((_mapping(0.0, 1.0, line),))
    channels = range(stack.shape[stack.axes.index("c")]) if "c" in stack.axes else (None,)
    samples = (ChannelSample(stack, channel) for channel in channels)
    return IntensityMapping(tuple(_mapping(*_ends(sample, line), line) for sample in samples))


def _ends(sample: ChannelSample, line: Normalization) -> tuple[float, float]:
    """Return the measured values that become 0 and 1 before gain and offset."""
    if line.measured == "moments":
        mean, deviation = sample.moments()
        return mean, mean + deviation + line.epsilon
    low, high = sample.percentiles(*line.percentiles)
    return low, high + line.epsilon


def _mapping(low: float, high: float, line: Normalization) -> ChannelMapping:
    """Return the mapping whose value is ``gain * x + offset``, where x is 0 at low, 1 at high."""
    start, stop = ((end - line.offset) / line.gain for end in (0, 1))
    return ChannelMapping(low + start * (high - low), low + stop * (high - low))
