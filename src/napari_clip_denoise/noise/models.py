"""Noise models: each makes a noisy image of a clean one.

Images are float arrays of any shape whose last two axes are YX, on a scale where the
structures span about [0, 1]. Results are not clipped, but where a model says so.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, uniform_filter


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
    share : float
        How much of the noise is blurred, 1 for all of it; the rest stays white.
    """

    sigma: float
    correlation: float
    share: float = 1.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise."""
        smear = Smear(self.share, (self.correlation, self.correlation))
        noise = smear(rng.standard_normal(clean.shape, np.float32), rng)
        return clean + np.float32(self.sigma / smear.deviation) * noise


@dataclass(frozen=True)
class Smear:
    """What a detector of limited bandwidth or a resampling does to an image and its noise.

    A share of every pixel's value spreads to its neighbours.

    Parameters
    ----------
    share : float
        Of the value, 0 to 1.
    width : tuple of float
        Standard deviation of the Gaussian by which it spreads, in pixels along (Y, X).
    """

    share: float
    width: tuple[float, float]

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Spread the values; the image's borders meet."""
        blurred = gaussian_filter(clean, self.width, mode="wrap", axes=(-2, -1))
        return (clean + np.float32(self.share) * (blurred - clean)).astype(np.float32)

    @property
    def deviation(self) -> float:
        """What white noise of standard deviation 1 keeps of it."""
        impulse = np.zeros((33, 33), np.float32)
        impulse[16, 16] = 1
        blurred = gaussian_filter(impulse, self.width, mode="wrap")
        return float(np.linalg.norm(impulse + np.float32(self.share) * (blurred - impulse)))


@dataclass(frozen=True)
class MeanFilteredGaussian:
    """White Gaussian noise that went through a square mean filter, as in the paper's tests.

    Parameters
    ----------
    sigma : float
        Standard deviation before the filter; after it, away from the border, ``sigma / size``.
    size : int
        Side of the filter in pixels.
    """

    sigma: float
    size: int = 3

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise."""
        noise = rng.standard_normal(clean.shape, np.float32)
        return clean + np.float32(self.sigma) * uniform_filter(noise, self.size, axes=(-2, -1))


@dataclass(frozen=True)
class ScaledPoisson:
    """Poisson noise whose deviation is scaled, clipped to [0, 1], as in the paper's tests.

    Grey levels are counted in 8 bits, and the value 1 stands for as many photons as there are
    levels, rounded up to a power of two.

    Parameters
    ----------
    scale : float
        Factor on the noise; 1 is pure Poisson noise.
    """

    scale: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the photons and scale their deviation."""
        rounded = np.rint(np.clip(clean, 0, 1) * 255) / 255
        photons = 2.0 ** np.ceil(np.log2(np.unique(rounded).size))
        noise = rng.poisson(rounded * photons) / photons - rounded
        return np.clip(clean + self.scale * noise, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class PoissonGaussian:
    """Photon shot noise and read noise, as of a camera or a photomultiplier.

    Parameters
    ----------
    photons : float
        Expected photons where the image is 1. Negative values of the image count none.
    read_noise : float
        Standard deviation of the read noise in photons; 0 leaves pure Poisson noise.
    """

    photons: float
    read_noise: float = 0.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the photons and read them out, on the scale of `clean`."""
        counts = rng.poisson(np.clip(clean, 0, None) * self.photons).astype(np.float32)
        if self.read_noise:
            counts += np.float32(self.read_noise) * rng.standard_normal(clean.shape, np.float32)
        return counts / np.float32(self.photons)


@dataclass(frozen=True)
class Speckle:
    """Multiplicative white Gaussian noise, as of coherent light.

    Parameters
    ----------
    sigma : float
        Standard deviation relative to the value.
    """

    sigma: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Multiply by ``1 + N(0, sigma)``."""
        return clean + clean * np.float32(self.sigma) * rng.standard_normal(clean.shape, np.float32)


@dataclass(frozen=True)
class SaltAndPepper:
    """Pixels that are stuck at 0 or 1.

    Parameters
    ----------
    amount : float
        Share of pixels that are hit, one half of them at each end.
    """

    amount: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Replace the pixels that are hit."""
        draw = rng.random(clean.shape, np.float32)
        noisy = np.where(draw < self.amount / 2, np.float32(0), clean)
        return np.where(draw > 1 - self.amount / 2, np.float32(1), noisy).astype(np.float32)


@dataclass(frozen=True)
class Stripes:
    """An offset of each row or column, as of scanners, sCMOS columns and light sheets.

    Parameters
    ----------
    sigma : float
        Standard deviation of the offsets on the image's scale.
    axis : {"rows", "columns"}
        Which share an offset.
    correlation : float
        Blur of the offsets across the stripes in pixels; `sigma` holds after it.
    """

    sigma: float
    axis: Literal["rows", "columns"] = "rows"
    correlation: float = 0.0

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the offsets."""
        rows = self.axis == "rows"
        shape = (*clean.shape[:-1], 1) if rows else (*clean.shape[:-2], 1, clean.shape[-1])
        offsets = rng.standard_normal(shape, np.float32)
        if self.correlation:
            impulse = np.zeros(65, np.float32)
            impulse[32] = 1
            kernel = gaussian_filter1d(impulse, self.correlation, mode="wrap")
            offsets = gaussian_filter1d(offsets, self.correlation, -2 if rows else -1, mode="wrap")
            offsets /= np.sqrt(np.square(kernel).sum())
        return clean + np.float32(self.sigma) * offsets


@dataclass(frozen=True)
class Quantised:
    """Rounding and clipping to integers, as of an 8-bit file.

    Parameters
    ----------
    levels : int
        Number of values that [0, 1] is divided into, 256 for 8 bits.
    """

    levels: int = 256

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Round to the nearest level within [0, 1]."""
        top = np.float32(self.levels - 1)
        return (np.rint(np.clip(clean, 0, 1) * top) / top).astype(np.float32)


@dataclass(frozen=True)
class Mixture:
    """Several noises, one after the other.

    Parameters
    ----------
    models : tuple of NoiseModel
        In the order in which they act.
    """

    models: tuple[NoiseModel, ...]

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply each noise to the result of the one before."""
        for model in self.models:
            clean = model(clean, rng)
        return clean
