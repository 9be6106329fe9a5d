"""Noise models: each makes a noisy image of a clean one.

Images are float arrays or torch tensors of any shape whose last two axes are YX, on a scale
where the structures span about [0, 1]. Results are not clipped, but where a model says so. Noise
of an array comes from a `numpy.random.Generator`, that of a tensor from a `torch.Generator` of
its device: other numbers, of the same statistics.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.noise._random import (
    Image,
    Random,
    as_float32,
    blur,
    mean_filter,
    n_values,
    normal,
    poisson,
    replace,
    uniform,
)


class NoiseModel(Protocol):
    """Anything that adds noise to a clean image."""

    def __call__(self, clean: Image, rng: Random) -> Image:
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

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Add the noise."""
        return clean + self.sigma * normal(clean, rng)


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
        How much of the noise is blurred, 1 for all of it; the rest stays white.
    """

    sigma: float
    correlation: float
    fraction: float = 1.0

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Add the noise."""
        smear = Smear(self.fraction, (self.correlation, self.correlation))
        noise = smear(normal(clean, rng), rng)
        return clean + self.sigma / smear.deviation * noise


@dataclass(frozen=True)
class Smear:
    """What a detector of limited bandwidth or a resampling does to an image and its noise.

    A share of every pixel's value spreads to its neighbours.

    Parameters
    ----------
    fraction : float
        Of the value, 0 to 1.
    width : tuple of float
        Standard deviation of the Gaussian by which it spreads, in pixels along (Y, X).
    """

    fraction: float
    width: tuple[float, float]

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Spread the values; the image's borders meet."""
        return as_float32(clean + self.fraction * (blur(clean, self.width) - clean))

    @property
    def deviation(self) -> float:
        """What white noise of standard deviation 1 keeps of it."""
        impulse = np.zeros((33, 33), np.float32)
        impulse[16, 16] = 1
        blurred = gaussian_filter(impulse, self.width, mode="wrap")
        return float(np.linalg.norm(impulse + np.float32(self.fraction) * (blurred - impulse)))


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

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Add the noise."""
        return clean + self.sigma * mean_filter(normal(clean, rng), self.size)


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

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Draw the photons and scale their deviation."""
        rounded = (clean.clip(0, 1) * 255).round() / 255
        photons = 2.0 ** math.ceil(math.log2(n_values(rounded)))
        noise = poisson(rounded * photons, rng) / photons - rounded
        return as_float32((clean + self.scale * noise).clip(0, 1))


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

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Draw the photons and read them out, on the scale of `clean`."""
        counts = as_float32(poisson(clean.clip(0, None) * self.photons, rng))
        if self.read_noise:
            counts += self.read_noise * normal(clean, rng)
        return counts / self.photons


@dataclass(frozen=True)
class Speckle:
    """Multiplicative white Gaussian noise, as of coherent light.

    Parameters
    ----------
    sigma : float
        Standard deviation relative to the value.
    """

    sigma: float

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Multiply by ``1 + N(0, sigma)``."""
        return clean + clean * self.sigma * normal(clean, rng)


@dataclass(frozen=True)
class SaltAndPepper:
    """Pixels that are stuck at 0 or 1.

    Parameters
    ----------
    amount : float
        Share of pixels that are hit, one half of them at each end.
    """

    amount: float

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Replace the pixels that are hit."""
        draw = uniform(clean, rng)
        noisy = replace(clean, draw < self.amount / 2, 0)
        return as_float32(replace(noisy, draw > 1 - self.amount / 2, 1))


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

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Add the offsets."""
        rows = self.axis == "rows"
        shape = (*clean.shape[:-1], 1) if rows else (*clean.shape[:-2], 1, clean.shape[-1])
        offsets = normal(clean, rng, shape)
        if self.correlation:
            across = Smear(1, (self.correlation, 0) if rows else (0, self.correlation))
            offsets = across(offsets, rng) / across.deviation
        return clean + self.sigma * offsets


@dataclass(frozen=True)
class Quantised:
    """Rounding and clipping to integers, as of an 8-bit file.

    Parameters
    ----------
    levels : int
        Number of values that [0, 1] is divided into, 256 for 8 bits.
    """

    levels: int = 256

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Round to the nearest level within [0, 1]."""
        top = self.levels - 1
        return as_float32((clean.clip(0, 1) * top).round() / top)


@dataclass(frozen=True)
class Mixture:
    """Several noises, one after the other.

    Parameters
    ----------
    models : tuple of NoiseModel
        In the order in which they act.
    """

    models: tuple[NoiseModel, ...]

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Apply each noise to the result of the one before."""
        for model in self.models:
            clean = model(clean, rng)
        return clean
