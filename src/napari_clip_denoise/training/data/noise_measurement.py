"""Measurement of camera noise, to add it to clean images for the objective ``synthetic``."""

from itertools import chain

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import (
    ChannelMapping,
    Intensity,
    NoiseLevel,
    estimate_mapping,
)
from napari_clip_denoise.images.stack import Stack, as_stack
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.noise.correlation import estimate_correlation
from napari_clip_denoise.noise.estimate import estimate_noise
from napari_clip_denoise.training.data.pairs import Line
from napari_clip_denoise.training.data.patches import PatchSource, mapped_source, some

SMOOTHING = 2.0
RANGE = (1, 99)


def measure_camera(noisy: list[Stack], intensity: Intensity) -> CameraNoise:
    """Estimate the noise of raw images, and its correlation with the intensity mapping of a run.

    Raises
    ------
    InputError
        If there is too little image area to measure.
    """
    measured = some(noisy)
    raw = estimate_noise(
        chain.from_iterable(PatchSource(stack, None).sample() for stack in measured)
    )
    if raw is None:
        raise InputError("The noise cannot be measured; give larger noisy images, or its numbers.")
    mapped = (mapped_source(stack, intensity).sample() for stack in measured)
    return CameraNoise.from_estimate(raw, estimate_correlation(chain.from_iterable(mapped)))


def mapping_of_simulated(
    planes: list[np.ndarray],
    noise: CameraNoise,
    intensity: Intensity,
    seed: int,
    noise_level: NoiseLevel = "blind",
) -> ChannelMapping:
    """Return the intensity mapping that a run would choose for such images with noise.

    Parameters
    ----------
    planes : list of numpy.ndarray
        Clean planes (Y, X) on the raw scale.
    noise : CameraNoise
        Noise to add to them.
    intensity : str or (float, float)
        Kind of the intensity mapping.
    seed : int
        Seed of the noise.
    noise_level : str or float
        ``"auto"`` measures the noise as a run would.

    Returns
    -------
    ChannelMapping
        Mapping from the raw scale to the network's.
    """
    rng = np.random.default_rng([seed, 9])
    height, width = (min(sides) for sides in zip(*(plane.shape for plane in planes), strict=True))
    noisy = np.stack([noise(plane[:height, :width], rng) for plane in planes])
    return estimate_mapping(as_stack(noisy, "zyx", name="clean"), intensity, noise_level).channels[
        0
    ]


def same_range(planes: list[np.ndarray], noisy: list[np.ndarray]) -> Line:
    """Return the line that maps clean values to the range of the smoothed noisy ones."""
    low, high, noisy_low, noisy_high = (
        float(value)
        for side in (planes, noisy)
        for value in np.percentile(
            np.concatenate([gaussian_filter(p.astype(float), SMOOTHING).ravel() for p in side]),
            RANGE,
        )
    )
    if high <= low:
        raise InputError("The clean images are constant, there is nothing to learn; give others.")
    slope = (noisy_high - noisy_low) / (high - low)
    return Line(slope, noisy_low - slope * low)
