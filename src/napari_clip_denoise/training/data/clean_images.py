"""Noisy and clean patches, drawn from folders of clean images and from simulation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.table import SUFFIXES
from napari_clip_denoise.images.sampling import sample_positions
from napari_clip_denoise.noise.simulation import STRUCTURES, fluorescence
from napari_clip_denoise.training.data.extremes import (
    add_hot_pixels,
    add_structures,
    saturate,
    scale,
)
from napari_clip_denoise.training.data.noise_levels import told_level
from napari_clip_denoise.training.data.noise_synthesis import corrupt
from napari_clip_denoise.training.data.settings import ImageGroup, Remap
from napari_clip_denoise.training.data.textures import texture
from napari_clip_denoise.training.pretrain.recipe import Recipe

MAX_PLANES_PER_FILE = 24
MERGED = 0.5
SAMPLES = (
    "astronaut", "camera", "cell", "chelsea", "coffee", "coins", "hubble_deep_field",
    "immunohistochemistry", "moon", "page", "retina", "rocket",
)  # fmt: skip


@dataclass(frozen=True)
class CleanPlane:
    """Clean plane (Y, X) or (Y, X, S) as stored, and the raw values that become 0 and 1."""

    pixels: np.ndarray
    low: float
    high: float


def read_group(group: ImageGroup, data: Path, smallest: int) -> list[CleanPlane]:
    """Read the planes of a group into memory, at most `MAX_PLANES_PER_FILE` per file.

    Planes with a side of fewer than `smallest` pixels and constant planes are left out.

    Parameters
    ----------
    group : ImageGroup
        The group to read.
    data : Path
        Data folder that contains the folder of the group.
    smallest : int
        Minimum side of a plane in pixels.

    Returns
    -------
    list of CleanPlane
        The planes.

    Raises
    ------
    InputError
        If the folder contains no usable image.
    """
    planes = []
    for path in sorted((data / group.folder).rglob("*")):
        if not path.is_file() or not path.name.lower().endswith(SUFFIXES):
            continue
        stack = open_stack(path)
        if min(stack.plane_shape) < smallest:
            continue
        for leading in sample_positions(stack.leading_shape, MAX_PLANES_PER_FILE):
            index = (
                *(slice(i, i + 1) for i in leading),
                *(slice(None),) * (stack.ndim - len(leading)),
            )
            pixels = stack.read(index).reshape(stack.shape[len(leading) :])
            low, high = group.values or _range(pixels, group.normalise)
            if high > low:
                planes.append(CleanPlane(pixels, low, high))
    if not planes:
        raise InputError(
            f"No image of at least {smallest} pixels a side was found in {data / group.folder}; "
            "give the folder that holds the recipe's image groups."
        )
    return planes


def simulate_planes(count: int, size: int, seed: int) -> list[CleanPlane]:
    """Simulate fluorescence planes of varied structure and sharpness.

    Parameters
    ----------
    count : int
        Number of planes.
    size : int
        Side of a plane in pixels.
    seed : int
        Seed of the simulation.

    Returns
    -------
    list of CleanPlane
        The planes.
    """
    rng = np.random.default_rng([seed, 1])
    names = tuple(STRUCTURES)
    planes = []
    for _ in range(count):
        chosen = tuple(rng.choice(names, rng.integers(1, 4), replace=False))
        width = rng.uniform(0.8, 2.5)
        image = fluorescence(
            (size, size), chosen, psf=(width, width, width), haze=rng.uniform(0, 0.3), seed=rng
        )
        planes.append(CleanPlane(image.astype(np.float16), 0.0, 1.0))
    return planes


def sample_planes() -> list[CleanPlane]:
    """Read the photographs and micrographs included in scikit-image; nothing is downloaded."""
    images = [getattr(skimage.data, name)() for name in SAMPLES]
    return [CleanPlane(image, 0.0, 255.0) for image in images]


class PatchSource:
    """Source of batches of patches, drawn according to a recipe.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    data : Path
        Folder that contains the recipe's image groups.
    """

    def __init__(self, recipe: Recipe, data: Path):
        self.recipe = recipe
        crop = recipe.optimisation.crop
        self.pools = [read_group(group, data, crop) for group in recipe.groups]
        self.halve = [group.halve for group in recipe.groups]
        weights = [group.weight for group in recipe.groups]
        if not recipe.varied:
            self._check_channels()
        if recipe.samples:
            self.pools.append(sample_planes())
            self.halve.append(0.3)
            weights.append(recipe.samples)
        if recipe.simulation.weight:
            self.pools.append(simulate_planes(recipe.simulation.planes, 2 * crop, recipe.seed))
            self.halve.append(0.2)
            weights.append(recipe.simulation.weight)
        if recipe.textures.weight:
            rng = np.random.default_rng([recipe.seed, 2])
            drawn = (texture(2 * crop, rng) for _ in range(recipe.textures.planes))
            self.pools.append([CleanPlane(plane.astype(np.float16), 0.0, 1.0) for plane in drawn])
            self.halve.append(0.0)
            weights.append(recipe.textures.weight)
        self.weights = np.array(weights) / sum(weights)

    def batch(
        self, step: int, rank: int = 0, ranks: int = 1
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the batch of a training step; it depends only on the recipe, the data and the step.

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
        numbers = range(rank, self.recipe.optimisation.batch, ranks)
        patches = [
            self._patch(np.random.default_rng([self.recipe.seed, 0, step, number]))
            for number in numbers
        ]
        noisy, level, clean = (np.stack(part) for part in zip(*patches, strict=True))
        return noisy, level, clean

    def _patch(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        which = rng.choice(len(self.pools), p=self.weights)

        def draw() -> np.ndarray:
            plane = self.pools[which][rng.integers(len(self.pools[which]))]
            return crop_plane(plane, self.recipe.optimisation.crop, self.halve[which], rng)

        if not self.recipe.varied:
            clean = draw()
            return corrupt(clean, self.recipe.noise, rng)
        if self.recipe.network.channels == 1:
            clean = mix_samples(draw(), rng)
        else:
            clean = make_colour(draw(), draw, rng)
        clean = vary_tone(clean, rng)
        extremes = self.recipe.extremes
        clean = add_structures(clean, extremes, rng)
        noisy, level, clean = corrupt(clean, self.recipe.noise, rng)
        noisy, clean = saturate(noisy, clean, extremes, rng)
        noisy = add_hot_pixels(noisy, extremes, rng)
        noisy, level, clean = remap(noisy, level, clean, self.recipe.remap, rng)
        factor = scale(extremes, rng)
        told = told_level(level, self.recipe.level, rng)
        return factor * noisy, factor * told, factor * clean

    def _check_channels(self) -> None:
        """Reject images with another number of channels unless the recipe converts them."""
        channels = self.recipe.network.channels
        for group, pool in zip(self.recipe.groups, self.pools, strict=True):
            if any((plane.pixels.ndim == 3) != (channels == 3) for plane in pool):
                raise InputError(
                    f"The recipe '{self.recipe.name}' needs {'RGB' if channels == 3 else 'grey'} "
                    f"images, and {group.folder!r} holds others; give a folder of such images."
                )


def crop_plane(plane: CleanPlane, crop: int, halve: float, rng: np.random.Generator) -> np.ndarray:
    """Crop a random square from a plane, scaled to [0, 1], randomly flipped and rotated.

    Parameters
    ----------
    plane : CleanPlane
        The plane.
    crop : int
        Side of the square in pixels.
    halve : float
        Probability of averaging 2x2 pixels first.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    numpy.ndarray
        (S, crop, crop), float32; S is 1 for a gray plane and 3 for RGB.
    """
    factor = 2 if min(plane.pixels.shape[:2]) >= 2 * crop and rng.random() < halve else 1
    size = crop * factor
    y, x = (rng.integers(0, side - size + 1) for side in plane.pixels.shape[:2])
    patch = plane.pixels[y : y + size, x : x + size].astype(np.float32)
    patch = np.moveaxis(np.atleast_3d(patch)[..., :3], -1, 0)
    if factor == 2:
        patch = patch.reshape(-1, crop, 2, crop, 2).mean(axis=(2, 4))
    patch = (patch - plane.low) / (plane.high - plane.low)
    patch = np.rot90(patch, int(rng.integers(4)), axes=(1, 2))
    return np.ascontiguousarray(patch[:, ::-1] if rng.random() < 0.5 else patch, np.float32)


def mix_samples(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convert a patch (S, Y, X) to gray (1, Y, X) with random weights of red, green and blue."""
    if len(patch) == 1:
        return patch
    shares = rng.dirichlet(np.ones(len(patch))).astype(np.float32)
    return np.tensordot(shares, patch, axes=1)[np.newaxis]


def make_colour(
    patch: np.ndarray, draw: Callable[[], np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Convert a patch (S, Y, X) to RGB (3, Y, X).

    The samples of an RGB patch are permuted. A gray patch becomes either one of three merged
    channels, as in multi-colour fluorescence, or a tinted picture.

    Parameters
    ----------
    patch : numpy.ndarray
        Patch (S, Y, X) on the scale [0, 1].
    draw : callable
        Returns another patch, for a merged channel.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    numpy.ndarray
        RGB patch (3, Y, X).
    """
    if len(patch) == 3:
        return patch[rng.permutation(3)]
    if rng.random() < MERGED:
        return np.concatenate([patch, draw()[:1], draw()[:1]])
    tint = rng.uniform(0.2, 1, (3, 1, 1)).astype(np.float32)
    return 1 - tint * (1 - patch) if rng.random() < 0.5 else tint * patch


def vary_tone(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Occasionally invert a patch and change its gamma."""
    if rng.random() < 0.15:
        clean = 1 - clean
    if rng.random() < 0.25:
        clean = np.clip(clean, 0, None) ** np.float32(np.exp(rng.uniform(-0.7, 0.7)))
    return clean


def remap(
    noisy: np.ndarray,
    level: np.ndarray,
    clean: np.ndarray,
    settings: Remap,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Apply the same random linear mapping to both patches and the noise level, see `Remap`.

    Parameters
    ----------
    noisy, level, clean : numpy.ndarray
        Patches (C, Y, X), and the standard deviation of the noise (1, Y, X).
    settings : Remap
        Probability and range of the mapping.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    noisy, level, clean : numpy.ndarray
        The mapped patches and level.
    """
    if rng.random() >= settings.probability:
        return noisy, level, clean
    low, high = np.quantile(noisy, (0.01, 0.99))
    span = np.exp(rng.uniform(*np.log(settings.span)))
    gain = span / max(high - low, 1e-3)
    offset = rng.uniform(min(0, 1 - span), max(0, 1 - span)) - gain * low
    return (
        (noisy * gain + offset).astype(np.float32),
        (level * gain).astype(np.float32),
        (clean * gain + offset).astype(np.float32),
    )


def _range(pixels: np.ndarray, normalise: bool) -> tuple[float, float]:
    if not normalise and np.issubdtype(pixels.dtype, np.integer):
        return 0.0, float(np.iinfo(pixels.dtype).max)
    low, high = np.quantile(pixels, (0.001, 0.999))
    return float(low), float(high)
