"""Random variations of patches: crops, tones, colours, intensity mappings and mixup."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.training.data.clean_images import CleanPlane
from napari_clip_denoise.training.data.settings import Remap

MERGED = 0.5
MIXUP_STRENGTH = 1.2
"""Strength of mixup in the paper."""


def crop_plane(
    plane: CleanPlane, crop: int, p_downsample: float, rng: np.random.Generator
) -> np.ndarray:
    """Crop a random square from a plane, scaled to [0, 1], randomly flipped and rotated.

    Parameters
    ----------
    plane : CleanPlane
        The plane.
    crop : int
        Side of the square in pixels.
    p_downsample : float
        Probability of averaging 2x2 pixels first.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    numpy.ndarray
        (S, crop, crop), float32; S is 1 for a gray plane and 3 for RGB.
    """
    factor = 2 if min(plane.pixels.shape[:2]) >= 2 * crop and rng.random() < p_downsample else 1
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
    weights = rng.dirichlet(np.ones(len(patch))).astype(np.float32)
    return np.tensordot(weights, patch, axes=1)[np.newaxis]


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


def mix_up(
    noisy: Tensor,
    clean: Tensor,
    rng: np.random.Generator,
    *,
    chance: float,
    strength: float = MIXUP_STRENGTH,
) -> tuple[Tensor, Tensor]:
    """Blend each patch of a batch with another one, or return the batch unchanged.

    Parameters
    ----------
    noisy, clean : Tensor
        Noisy and clean patches, (N, ...).
    rng : numpy.random.Generator
        Decides whether to blend, and draws the partners and weights.
    chance : float
        Probability that the batch is blended.
    strength : float
        Parameter of the distribution Beta(strength, strength) of the weights; 0 never blends.

    Returns
    -------
    noisy, clean : Tensor
        The blended patches, of the same shape.

    References
    ----------
    Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.
    """
    if not strength or rng.random() >= chance:
        return noisy, clean
    weight = float(rng.beta(strength, strength))
    order = torch.from_numpy(rng.permutation(len(noisy))).to(noisy.device)
    return noisy.lerp(noisy[order], 1 - weight), clean.lerp(clean[order], 1 - weight)
