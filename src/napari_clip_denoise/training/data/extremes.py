"""Structures far above the usual range of values, saturation and hot pixels."""

import numpy as np

from napari_clip_denoise.training.data.settings import Extremes, Range

MOST_STRUCTURES = 6
DEAD = 0.3
PIXELATED = 0.3
"""Fraction of the discs whose border follows the pixels."""


def add_structures(clean: np.ndarray, settings: Extremes, rng: np.random.Generator) -> np.ndarray:
    """Occasionally add rare bright discs, spots or lines to a patch.

    Parameters
    ----------
    clean : numpy.ndarray
        (C, Y, X), float32.
    settings : Extremes
        Probability and brightness.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    numpy.ndarray
        The patch with the structures.
    """
    if rng.random() >= settings.structures:
        return clean
    y, x = np.mgrid[: clean.shape[-2], : clean.shape[-1]].astype(np.float32)
    typical = _log_uniform(settings.brightness, rng)
    kind = rng.integers(3)
    for _ in range(rng.integers(1, MOST_STRUCTURES + 1)):
        down, right = y - rng.uniform(0, y.shape[0]), x - rng.uniform(0, y.shape[1])
        if kind == 0:
            shape = np.clip(np.exp(rng.uniform(0.5, 3.2)) - np.hypot(down, right) + 0.5, 0, 1)
            shape = shape.round() if rng.random() < PIXELATED else shape
        elif kind == 1:
            shape = np.exp(-(down**2 + right**2) / (2 * rng.uniform(0.7, 3) ** 2))
        else:
            angle = rng.uniform(0, np.pi)
            across = np.cos(angle) * right + np.sin(angle) * down
            shape = np.exp(-(across**2) / (2 * rng.uniform(0.6, 2) ** 2))
        clean = clean + np.float32(typical * rng.uniform(0.5, 1)) * shape
    return clean.astype(np.float32)


def saturate(
    noisy: np.ndarray, clean: np.ndarray, settings: Extremes, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Occasionally clip both patches at a high quantile, like a saturated detector.

    Parameters
    ----------
    noisy, clean : numpy.ndarray
        (C, Y, X).
    settings : Extremes
        Probabilities and ranges.
    rng : numpy.random.Generator
        Random number generator.
    """
    if rng.random() >= settings.saturated:
        return noisy, clean
    top = np.quantile(clean, rng.uniform(0.6, 0.99))
    return np.minimum(noisy, top), np.minimum(clean, top)


def scale(settings: Extremes, rng: np.random.Generator) -> np.float32:
    """Draw the factor of a whole patch; usually 1."""
    if rng.random() >= settings.scaled:
        return np.float32(1)
    return np.float32(_log_uniform(settings.factor, rng))


def add_hot_pixels(noisy: np.ndarray, settings: Extremes, rng: np.random.Generator) -> np.ndarray:
    """Occasionally replace single pixels of a noisy patch by hot and dead ones.

    Parameters
    ----------
    noisy : numpy.ndarray
        (C, Y, X).
    settings : Extremes
        Probabilities and ranges.
    rng : numpy.random.Generator
        Random number generator.
    """
    if rng.random() >= settings.hot:
        return noisy
    hit = rng.random(noisy.shape[-2:]) < _log_uniform(settings.hot_fraction, rng)
    hot = rng.random(noisy.shape[-2:]) > DEAD
    value = np.where(hot, _log_uniform(settings.brightness, rng), noisy.min())
    return np.where(hit, value.astype(np.float32), noisy)


def _log_uniform(span: Range, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(span))))
