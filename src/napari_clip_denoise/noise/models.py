"""Noise models, which make noisy images from clean ones.

Images are float arrays (..., Y, X), scaled so that structures span about [0, 1]. Results are
clipped only where stated.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter


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
        return clean + self.sigma * rng.standard_normal(clean.shape, np.float32)


@dataclass(frozen=True)
class CorrelatedGaussian:
    """Additive Gaussian noise, blurred in the plane.

    Parameters
    ----------
    sigma : float
        Standard deviation after the blur, on the image's scale.
    correlation : float
        Standard deviation of the blurring Gaussian in pixels.
    fraction : float
        Fraction of the noise that is blurred, 0 to 1; the rest remains white.
    """

    sigma: float
    correlation: float
    fraction: float = 1.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise."""
        smear = Smear(self.fraction, (self.correlation, self.correlation))
        noise = smear(rng.standard_normal(clean.shape, np.float32), rng)
        return clean + self.sigma / smear.deviation * noise


@dataclass(frozen=True)
class Smear:
    """Blur of an image and its noise, by a detector of limited bandwidth or by resampling.

    A fraction of every pixel's value spreads to its neighbours.

    Parameters
    ----------
    fraction : float
        Fraction of the value that spreads, 0 to 1.
    width : tuple of float
        Standard deviation of the Gaussian spread, in pixels along (Y, X).
    """

    fraction: float
    width: tuple[float, float]

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Spread the values, with periodic borders."""
        blurred = gaussian_filter(clean, self.width, mode="wrap", axes=(-2, -1))
        return (clean + self.fraction * (blurred - clean)).astype(np.float32)

    @property
    def deviation(self) -> float:
        """Standard deviation, after the blur, of white noise with standard deviation 1."""
        impulse = np.zeros((33, 33), np.float32)
        impulse[16, 16] = 1
        blurred = gaussian_filter(impulse, self.width, mode="wrap")
        return float(np.linalg.norm(impulse + np.float32(self.fraction) * (blurred - impulse)))


@dataclass(frozen=True)
class MeanFilteredGaussian:
    """White Gaussian noise smoothed by a square mean filter, as in the paper's tests.

    Parameters
    ----------
    sigma : float
        Standard deviation before the filter; after it, it is ``sigma / size`` except at borders.
    size : int
        Side of the filter in pixels.
    """

    sigma: float
    size: int = 3

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise."""
        white = rng.standard_normal(clean.shape, np.float32)
        return clean + self.sigma * uniform_filter(white, self.size, axes=(-2, -1))


@dataclass(frozen=True)
class ScaledPoisson:
    """Scaled Poisson noise, clipped to [0, 1], as in the paper's tests.

    The value 1 corresponds to as many photons as the image has distinct grey levels in 8 bits,
    rounded up to a power of two.

    Parameters
    ----------
    scale : float
        Factor applied to the noise; 1 is pure Poisson noise.
    """

    scale: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the photons and scale their deviation."""
        rounded = (clean.clip(0, 1) * 255).round() / 255
        photons = 2.0 ** math.ceil(math.log2(len(np.unique(rounded))))
        noise = rng.poisson(rounded * photons) / photons - rounded
        return (clean + self.scale * noise).clip(0, 1).astype(np.float32)


@dataclass(frozen=True)
class PoissonGaussian:
    """Photon shot noise and read noise, as from a camera or a photomultiplier.

    Parameters
    ----------
    photons : float
        Expected photons per pixel where the image is 1. Negative image values emit none.
    read_noise : float
        Standard deviation of the read noise in photons; 0 means pure Poisson noise.
    """

    photons: float
    read_noise: float = 0.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the photons and read them out, on the scale of `clean`."""
        counts = rng.poisson(clean.clip(0, None) * self.photons).astype(np.float32)
        if self.read_noise:
            counts += self.read_noise * rng.standard_normal(clean.shape, np.float32)
        return counts / self.photons


@dataclass(frozen=True)
class Speckle:
    """Multiplicative white Gaussian noise, as with coherent light.

    Parameters
    ----------
    sigma : float
        Standard deviation relative to the value.
    """

    sigma: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Multiply by ``1 + N(0, sigma)``."""
        return clean + clean * self.sigma * rng.standard_normal(clean.shape, np.float32)


@dataclass(frozen=True)
class SaltAndPepper:
    """Pixels that are stuck at 0 or 1.

    Parameters
    ----------
    amount : float
        Fraction of affected pixels, half of them at each end.
    """

    amount: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Replace the affected pixels."""
        draw = rng.random(clean.shape, np.float32)
        noisy = clean.astype(np.float32)
        noisy[draw < self.amount / 2] = 0
        noisy[draw > 1 - self.amount / 2] = 1
        return noisy


@dataclass(frozen=True)
class Stripes:
    """A random offset for each row or column, as from scanners, sCMOS cameras and light sheets.

    Parameters
    ----------
    sigma : float
        Standard deviation of the offsets after the blur, on the image's scale.
    axis : {"rows", "columns"}
        Whether each row or each column has its own offset.
    correlation : float
        Standard deviation of the Gaussian blur of the offsets across the stripes, in pixels.
    """

    sigma: float
    axis: Literal["rows", "columns"] = "rows"
    correlation: float = 0.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the offsets."""
        rows = self.axis == "rows"
        shape = (*clean.shape[:-1], 1) if rows else (*clean.shape[:-2], 1, clean.shape[-1])
        offsets: np.ndarray = rng.standard_normal(shape, np.float32)
        if self.correlation:
            across = Smear(1, (self.correlation, 0) if rows else (0, self.correlation))
            offsets = across(offsets, rng) / across.deviation
        return clean + self.sigma * offsets


@dataclass(frozen=True)
class Quantised:
    """Rounding and clipping to integer levels, as in an 8-bit file.

    Parameters
    ----------
    levels : int
        Number of levels in [0, 1], 256 for 8 bits.
    """

    levels: int = 256

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Round to the nearest level within [0, 1]."""
        top = self.levels - 1
        return ((clean.clip(0, 1) * top).round() / top).astype(np.float32)


@dataclass(frozen=True)
class Mixture:
    """Several noise models applied in sequence.

    Parameters
    ----------
    models : tuple of NoiseModel
        Models in the order of application.
    """

    models: tuple[NoiseModel, ...]

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply each model to the result of the previous one."""
        for model in self.models:
            clean = model(clean, rng)
        return clean
