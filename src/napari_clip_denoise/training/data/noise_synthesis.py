"""Random noise according to a recipe, added to a clean patch."""

from typing import Literal

import numpy as np

from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.colour_camera import RawCamera
from napari_clip_denoise.noise.ct import Tomographic
from napari_clip_denoise.noise.estimate import MAD_TO_DEVIATION
from napari_clip_denoise.noise.jpeg import Jpeg
from napari_clip_denoise.noise.models import (
    CorrelatedGaussian,
    Gaussian,
    PoissonGaussian,
    Quantised,
    SaltAndPepper,
    Smear,
    Speckle,
    Stripes,
)
from napari_clip_denoise.training.data.noise_levels import level_factors
from napari_clip_denoise.training.data.settings import Noise, Range

KINDS = (
    "gaussian",
    "faint",
    "correlated",
    "poisson_gaussian",
    "stabilised",
    "speckle",
    "camera",
    "tomographic",
)


def corrupt(
    clean: np.ndarray, noise: Noise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add random noise to a clean patch according to a recipe.

    Parameters
    ----------
    clean : numpy.ndarray
        (C, Y, X), float32, approximately in [0, 1].
    noise : Noise
        Kinds and ranges of the noise.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    noisy, level, clean : numpy.ndarray
        (C, Y, X), (1, Y, X) and (C, Y, X), float32. The level is the standard deviation of the
        noise without stripes, impulses, rounding and compression; for camera noise, that of the
        whole patch, whose clean patch is developed by the same camera, unless that is the authors'.
        For stabilised noise, all are on the scale of the transform, rescaled to approximately
        [0, 1].
    """
    weights = np.array([getattr(noise, kind) for kind in KINDS])
    kind = KINDS[rng.choice(len(KINDS), p=weights / weights.sum())]
    sigma = rng.uniform(*noise.sigma)
    level: float | np.ndarray = sigma
    if kind == "gaussian":
        if noise.maps and rng.random() < noise.maps:
            level = sigma * level_factors(clean.shape[-2:], rng)
        noisy = clean + np.float32(level) * Gaussian(1)(np.zeros_like(clean), rng)
    elif kind == "faint":
        level = rng.uniform(*noise.faint_sigma)
        noisy = Gaussian(level)(clean, rng)
    elif kind == "correlated":
        fraction = rng.uniform() if rng.random() < noise.p_partial else 1.0
        noisy = CorrelatedGaussian(sigma, rng.uniform(*noise.correlation), fraction)(clean, rng)
    elif kind == "speckle":
        noisy = Speckle(sigma)(clean, rng)
        level = sigma * np.abs(clean)
    elif kind == "camera":
        strength = log_uniform(noise.camera_strength, rng)
        camera = RawCamera(
            strength * noise.camera_signal,
            strength * noise.camera_constant,
            noise.camera_as_published,
        )
        noisy, developed = camera.take(clean, rng)
        clean = clean if noise.camera_as_published else developed
        level = MAD_TO_DEVIATION * float(np.median(np.abs(noisy - clean)))
    elif kind == "tomographic":
        streaks, direction = rng.uniform(*noise.streaks), rng.uniform(0, np.pi)
        noisy = Tomographic(sigma, log_uniform(noise.cutoff, rng), streaks, direction)(clean, rng)
    else:
        noisy, level, clean = _photons(clean, noise, rng, stabilise=kind == "stabilised")
    level_map = _one_map(level, clean.shape)
    return _with_artefacts(noisy, level_map, noise, rng), level_map, clean


def _one_map(level: float | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a level as a map (1, Y, X); that of several channels becomes their mean power."""
    maps = np.broadcast_to(np.asarray(level, np.float32), shape)
    maps = maps.reshape(-1, *shape[-2:])
    return np.sqrt(np.square(maps).mean(axis=0, keepdims=True))


def _photons(
    clean: np.ndarray, noise: Noise, rng: np.random.Generator, *, stabilise: bool
) -> tuple[np.ndarray, float | np.ndarray, np.ndarray]:
    """Add Poisson-Gaussian noise to an image on a uniform background."""
    photons = log_uniform(noise.photons, rng)
    read_noise = rng.uniform(*noise.read_noise)
    background = rng.uniform(*noise.background)
    light = np.clip(clean, 0, None) + np.float32(background)
    noisy = PoissonGaussian(photons, read_noise)(light, rng)
    variance = 1.0
    if rng.random() < noise.p_blur:
        width = (log_uniform(noise.blur_width, rng), log_uniform(noise.blur_width, rng))
        smear = Smear(rng.uniform(*noise.blur_fraction), width)
        noisy, light, clean = (smear(image, rng) for image in (noisy, light, clean))
        variance = smear.deviation**2
    if not stabilise:
        level = np.sqrt(variance * (light / photons + (read_noise / photons) ** 2))
        return noisy - np.float32(background), level, clean
    transform = AnscombeTransform(variance / photons, variance * (read_noise / photons) ** 2)
    low, high = transform.forward(np.array([background, background + 1]))
    return (
        ((transform.forward(noisy) - low) / (high - low)).astype(np.float32),
        transform.deviation(light) / (high - low),
        ((transform.expected(light) - low) / (high - low)).astype(np.float32),
    )


def _with_artefacts(
    noisy: np.ndarray, level: np.ndarray, noise: Noise, rng: np.random.Generator
) -> np.ndarray:
    if rng.random() < noise.stripes:
        axis: Literal["rows", "columns"] = "rows" if rng.random() < 0.5 else "columns"
        correlation = rng.uniform(0, 1.5)
        sigma = log_uniform(noise.stripe_sigma, rng)
        typical = float(np.median(level))
        if noise.stripe_ratio and typical > 0:
            sigma = typical * log_uniform(noise.stripe_ratio, rng)
        noisy = Stripes(sigma, axis, correlation)(noisy, rng)
    if rng.random() < noise.salt_and_pepper:
        noisy = SaltAndPepper(log_uniform(noise.impulses, rng))(noisy, rng)
    if rng.random() < noise.quantised:
        noisy = Quantised()(noisy, rng)
    if rng.random() < noise.jpeg:
        noisy = Jpeg(int(rng.integers(*noise.jpeg_quality, endpoint=True)))(noisy, rng)
    return noisy


def log_uniform(span: Range, rng: np.random.Generator) -> float:
    """Draw a number from a log-uniform distribution over a range."""
    return float(np.exp(rng.uniform(*np.log(span))))
