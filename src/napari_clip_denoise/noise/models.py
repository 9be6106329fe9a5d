"""Noise models: each makes a noisy image of a clean one.

Images are float arrays of any shape whose last two axes are YX, on a scale where the
structures span about [0, 1]. Results are not clipped.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import gaussian_filter


class NoiseModel(Protocol):
    """Anything that adds noise to a clean image."""

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a noisy float32 image of the shape of `clean`."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """Additive white Gaussian noise.

    Parameters
    ----------
    sigma : float
        Standard deviation on the image's scale.
    """

    sigma: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise."""
        return clean + np.float32(self.sigma) * rng.standard_normal(clean.shape, np.float32)


@dataclass(frozen=True)
class CorrelatedGaussian:
    """Additive Gaussian noise, blurred in the plane.

    Parameters
    ----------
    sigma : float
        Standard deviation after the blur, on the image's scale.
    correlation : float
        Standard deviation of the blurring Gaussian in pixels.
    """

    sigma: float
    correlation: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise."""
        width = (0,) * (clean.ndim - 2) + (self.correlation,) * 2
        noise = gaussian_filter(rng.standard_normal(clean.shape, np.float32), width, mode="wrap")
        impulse = np.zeros((33, 33), np.float32)
        impulse[16, 16] = 1
        gain = np.sqrt(np.square(gaussian_filter(impulse, self.correlation, mode="wrap")).sum())
        return clean + np.float32(self.sigma / gain) * noise


@dataclass(frozen=True)
class PoissonGaussian:
    """Photon shot noise and read noise, as of a camera or a photomultiplier.

    Parameters
    ----------
    photons : float
        Expected photons where the image is 1. Negative values of the image count none.
    read_noise : float
        Standard deviation of the read noise in photons.
    """

    photons: float
    read_noise: float = 0.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the photons and read them out, on the scale of `clean`."""
        counts = rng.poisson(np.clip(clean, 0, None) * self.photons).astype(np.float32)
        if self.read_noise:
            counts += np.float32(self.read_noise) * rng.standard_normal(clean.shape, np.float32)
        return counts / np.float32(self.photons)
