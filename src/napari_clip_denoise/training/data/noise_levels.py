"""The standard deviation of a patch's noise, as a network is told it."""

import numpy as np
from scipy.ndimage import zoom

from napari_clip_denoise.training.data.settings import NoiseLevel

SPREAD = 0.6
STEPS = (1 / 6, 1.0)
NODES = (2, 6)
HIGHEST = 1.5


def level_factors(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a map of factors (Y, X) for a noise level that varies over a patch.

    Half of the maps are smooth, the others have two areas with a straight or a round border.

    Parameters
    ----------
    shape : tuple of int
        (Y, X).
    rng : numpy.random.Generator
        Random number generator.
    """
    if rng.random() < 0.5:
        coarse = rng.normal(0, SPREAD, rng.integers(*NODES, 2))
        coarse -= coarse.max()
        factors = np.exp(
            zoom(coarse, np.divide(shape, coarse.shape), order=1, grid_mode=True, mode="nearest")
        )
        return np.minimum(factors, HIGHEST).astype(np.float32)
    y, x = np.mgrid[: shape[0], : shape[1]]
    down, right = y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1])
    angle = rng.uniform(0, 2 * np.pi)
    straight = np.cos(angle) * right + np.sin(angle) * down > 0
    inside = straight if rng.random() < 0.5 else np.hypot(down, right) < rng.uniform(8, shape[0])
    quiet = np.exp(rng.uniform(*np.log(STEPS)))
    return np.where(inside, np.float32(quiet), np.float32(1))


def told_level(level: np.ndarray, settings: NoiseLevel, rng: np.random.Generator) -> np.ndarray:
    """Return what a network is told instead of the true level of a patch.

    Parameters
    ----------
    level : numpy.ndarray
        True standard deviation (1, Y, X), NaN if it is not known.
    settings : NoiseLevel
        Probabilities and size of the errors.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    numpy.ndarray
        (1, Y, X), float32; NaN where it is told nothing.
    """
    if rng.random() < settings.unknown:
        return np.full_like(level, np.nan)
    if rng.random() < settings.mean:
        level = np.full_like(level, np.sqrt(np.square(level).mean()))
    if rng.random() < settings.wrong:
        level = level * np.float32(np.exp(rng.uniform(*np.log(settings.error))))
    return level
