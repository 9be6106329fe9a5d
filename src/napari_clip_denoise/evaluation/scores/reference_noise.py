"""Test noise drawn bit for bit as by the test scripts of the paper's authors.

They seed NumPy's former generator, `numpy.random.seed`, with 0 for every image, and draw for pixels
in the order of the file, (Y, X) or (Y, X, 3).
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import convolve

from napari_clip_denoise.noise.models import (
    Gaussian,
    MeanFilteredGaussian,
    NoiseModel,
    ScaledPoisson,
)

MEAN = np.ones((3, 3)) / 9


def is_in_scripts(model: NoiseModel) -> bool:
    """Return whether the authors' scripts draw noise of this kind."""
    return type(model) in _DRAWS


def draw_as_reference(model: NoiseModel, clean: np.ndarray) -> np.ndarray:
    """Add noise to an image as the authors' scripts do.

    Parameters
    ----------
    model : NoiseModel
        Kind and strength of the noise; `is_in_scripts` must be true of it.
    clean : numpy.ndarray
        Clean image, (Y, X) or (Y, X, 3), float32, 8-bit values divided by 255.

    Returns
    -------
    numpy.ndarray
        Noisy image of the same shape, float32; clipped to [0, 1] only for Poisson noise.
    """
    return _DRAWS[type(model)](model, clean, np.random.RandomState(0)).astype(np.float32)


def _gaussian(model: Gaussian, clean: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return clean + random.normal(0, model.sigma, clean.shape)


def _spatial(
    model: MeanFilteredGaussian, clean: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    noise = random.normal(0, model.sigma, clean.shape)
    planes = (np.s_[..., i] for i in range(noise.shape[-1])) if noise.ndim == 3 else (np.s_[:],)
    for plane in planes:
        noise[plane] = convolve(noise[plane], MEAN)
    return clean + noise


def _poisson(model: ScaledPoisson, clean: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    rounded = np.clip((clean * 255.0).round(), 0, 255) / 255.0
    photons = float(2 ** np.ceil(np.log2(len(np.unique(rounded)))))
    drawn = np.float32(random.poisson(rounded * photons) / photons)
    return np.clip(clean + (drawn - rounded) * model.scale, 0, 1)


_DRAWS: dict[type, Callable[..., np.ndarray]] = {
    Gaussian: _gaussian,
    MeanFilteredGaussian: _spatial,
    ScaledPoisson: _poisson,
}
