"""Noisy and clean patches, drawn from clean images of several kinds."""

from pathlib import Path

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.training.data.augment import (
    crop_plane,
    make_colour,
    mix_samples,
    remap,
    vary_tone,
)
from napari_clip_denoise.training.data.clean_images import (
    read_group,
    sample_planes,
    simulate_planes,
    texture_planes,
)
from napari_clip_denoise.training.data.extremes import (
    add_hot_pixels,
    add_structures,
    saturate,
    scale,
)
from napari_clip_denoise.training.data.noise_levels import told_level
from napari_clip_denoise.training.data.noise_synthesis import corrupt
from napari_clip_denoise.training.data.settings import PatchSettings


class SyntheticPatches:
    """Batches of clean patches with random noise.

    Parameters
    ----------
    settings : PatchSettings
        Clean images and their noise.
    data : Path
        Folder that contains the image groups.
    channels : {1, 3}
        Channels of a patch.
    crop : int
        Side of a patch in pixels.
    batch : int
        Number of patches in a batch.
    """

    def __init__(
        self, settings: PatchSettings, data: Path, *, channels: int, crop: int, batch: int
    ):
        self.settings, self.channels, self.crop, self.size = settings, channels, crop, batch
        self.pools = [read_group(group, data, crop) for group in settings.groups]
        self.p_downsample = [group.p_downsample for group in settings.groups]
        weights = [group.weight for group in settings.groups]
        if not settings.augment:
            self._check_channels()
        if settings.samples:
            self.pools.append(sample_planes())
            self.p_downsample.append(0.3)
            weights.append(settings.samples)
        if settings.simulation.weight:
            self.pools.append(simulate_planes(settings.simulation.planes, 2 * crop, settings.seed))
            self.p_downsample.append(0.2)
            weights.append(settings.simulation.weight)
        if settings.textures.weight:
            self.pools.append(texture_planes(settings.textures.planes, 2 * crop, settings.seed))
            self.p_downsample.append(0.0)
            weights.append(settings.textures.weight)
        self.weights = np.array(weights) / sum(weights)

    def batch(
        self, step: int, rank: int = 0, ranks: int = 1
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the batch of a training step; it depends only on settings, data and the step.

        Parameters
        ----------
        step : int
            Number of the step.
        rank, ranks : int
            Number of this device, counted from 0, and of all devices. Each device draws its part of
            the batch.

        Returns
        -------
        noisy, level, clean : numpy.ndarray
            Patches (N, channels, crop, crop), float32, and the noise level that the network is told
            (N, 1, crop, crop), NaN where it is told nothing.
        """
        numbers = range(rank, self.size, ranks)
        patches = [
            self._patch(np.random.default_rng([self.settings.seed, 0, step, number]))
            for number in numbers
        ]
        noisy, level, clean = (np.stack(part) for part in zip(*patches, strict=True))
        return noisy, level, clean

    def _patch(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        which = rng.choice(len(self.pools), p=self.weights)

        def draw() -> np.ndarray:
            plane = self.pools[which][rng.integers(len(self.pools[which]))]
            return crop_plane(plane, self.crop, self.p_downsample[which], rng)

        if not self.settings.augment:
            clean = draw()
            return corrupt(clean, self.settings.noise, rng)
        clean = mix_samples(draw(), rng) if self.channels == 1 else make_colour(draw(), draw, rng)
        clean = vary_tone(clean, rng)
        extremes = self.settings.extremes
        clean = add_structures(clean, extremes, rng)
        noisy, level, clean = corrupt(clean, self.settings.noise, rng)
        noisy, clean = saturate(noisy, clean, extremes, rng)
        noisy = add_hot_pixels(noisy, extremes, rng)
        noisy, level, clean = remap(noisy, level, clean, self.settings.remap, rng)
        factor = scale(extremes, rng)
        told = told_level(level, self.settings.level, rng)
        return factor * noisy, factor * told, factor * clean

    def _check_channels(self) -> None:
        """Reject images with another number of channels unless they are converted."""
        for group, pool in zip(self.settings.groups, self.pools, strict=True):
            if any((plane.pixels.ndim == 3) != (self.channels == 3) for plane in pool):
                raise InputError(
                    f"This training needs {'RGB' if self.channels == 3 else 'grey'} images, and "
                    f"{group.folder!r} holds others; give a folder of such images."
                )
