"""Random noise according to a recipe, added to a clean patch."""

from typing import Literal

import numpy as np

from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.colour_camera import RawCamera
from napari_clip_denoise.noise.ct import Tomographic
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
from napari_clip_denoise.training.pretrain.recipe import Noise, Range

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
) -> tuple[np.ndarray, np.ndarray]:
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
    noisy, clean : numpy.ndarray
        (C, Y, X), float32. For stabilised noise both are on the scale of the transform, rescaled
        to approximately [0, 1].
    """
    weights = np.array([getattr(noise, kind) for kind in KINDS])
    kind = KINDS[rng.choice(len(KINDS), p=weights / weights.sum())]
    sigma = rng.uniform(*noise.sigma)
    if kind == "gaussian":
        noisy = Gaussian(sigma)(clean, rng)
    elif kind == "faint":
        noisy = Gaussian(rng.uniform(*noise.faint_sigma))(clean, rng)
    elif kind == "correlated":
        share = rng.uniform() if rng.random() < noise.partly else 1.0
        noisy = CorrelatedGaussian(sigma, rng.uniform(*noise.correlation), share)(clean, rng)
    elif kind == "speckle":
        noisy = Speckle(sigma)(clean, rng)
    elif kind == "camera":
        noisy = RawCamera(noise.camera_signal, noise.camera_constant)(clean, rng)
    elif kind == "tomographic":
        streaks, direction = rng.uniform(*noise.streaks), rng.uniform(0, np.pi)
        noisy = Tomographic(sigma, log_uniform(noise.cutoff, rng), streaks, direction)(clean, rng)
    else:
        noisy, clean = _photons(clean, noise, rng, stabilise=kind == "stabilised")
    return _with_artefacts(noisy, noise, rng), clean


def _photons(
    clean: np.ndarray, noise: Noise, rng: np.random.Generator, *, stabilise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Add Poisson-Gaussian noise to an image on a uniform background."""
    photons = log_uniform(noise.photons, rng)
    read_noise = rng.uniform(*noise.read_noise)
    background = rng.uniform(*noise.background)
    light = np.clip(clean, 0, None) + np.float32(background)
    noisy = PoissonGaussian(photons, read_noise)(light, rng)
    variance = 1.0
    if rng.random() < noise.smeared:
        width = (log_uniform(noise.smear_width, rng), log_uniform(noise.smear_width, rng))
        smear = Smear(rng.uniform(*noise.smear_share), width)
        noisy, light, clean = (smear(image, rng) for image in (noisy, light, clean))
        variance = smear.deviation**2
    if not stabilise:
        return noisy - np.float32(background), clean
    transform = AnscombeTransform(variance / photons, variance * (read_noise / photons) ** 2)
    low, high = transform.forward(np.array([background, background + 1]))
    return (
        ((transform.forward(noisy) - low) / (high - low)).astype(np.float32),
        ((transform.expected(light) - low) / (high - low)).astype(np.float32),
    )


def _with_artefacts(noisy: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < noise.stripes:
        axis: Literal["rows", "columns"] = "rows" if rng.random() < 0.5 else "columns"
        correlation = rng.uniform(0, 1.5)
        noisy = Stripes(log_uniform(noise.stripe_sigma, rng), axis, correlation)(noisy, rng)
    if rng.random() < noise.salt_and_pepper:
        noisy = SaltAndPepper(log_uniform(noise.impulses, rng))(noisy, rng)
    if rng.random() < noise.quantised:
        noisy = Quantised()(noisy, rng)
    return noisy


def log_uniform(span: Range, rng: np.random.Generator) -> float:
    """Draw a number from a log-uniform distribution over a range."""
    return float(np.exp(rng.uniform(*np.log(span))))
