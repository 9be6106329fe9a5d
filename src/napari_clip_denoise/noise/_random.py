"""Random numbers and filters of the noise models, for both NumPy arrays and torch tensors.

The type of the image determines the type of the random generator: `numpy.random.Generator` for
arrays, `torch.Generator` on the same device for tensors. Results of tensors stay on their device.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter, uniform_filter

if TYPE_CHECKING:
    from torch import Generator, Tensor

Image = TypeVar("Image", np.ndarray, "Tensor")
Random = Any
"""A `numpy.random.Generator` for arrays, a `torch.Generator` for tensors."""
TRUNCATE = 4.0
"""Radius of Gaussian kernels in standard deviations, as in `scipy.ndimage`."""


def normal(like: Image, rng: Random, shape: tuple[int, ...] | None = None) -> Image:
    """Draw standard normal float32 numbers.

    Parameters
    ----------
    like : numpy.ndarray or torch.Tensor
        Determines type, device and, by default, shape of the result.
    rng : numpy.random.Generator or torch.Generator
        Random generator.
    shape : tuple of int, optional
        Another shape for the result.
    """
    shape = tuple(like.shape) if shape is None else shape
    if isinstance(like, np.ndarray):
        return rng.standard_normal(shape, np.float32)
    import torch

    return torch.randn(shape, generator=rng, device=like.device)


def uniform(like: Image, rng: Random) -> Image:
    """Draw float32 numbers uniformly from [0, 1), in the shape of `like`."""
    if isinstance(like, np.ndarray):
        return rng.random(like.shape, np.float32)
    import torch

    return torch.rand(like.shape, generator=rng, device=like.device)


def poisson(rate: Image, rng: Random) -> Image:
    """Draw Poisson counts with the given expected values."""
    if isinstance(rate, np.ndarray):
        return rng.poisson(rate)
    import torch

    return torch.poisson(rate, generator=rng)


def seed_from(rng: "Generator") -> int:
    """Draw a seed for another generator."""
    import torch

    return int(torch.randint(2**63 - 1, (), generator=rng, device=rng.device))


def as_float32(image: Image) -> Image:
    """Convert to float32."""
    return image.astype(np.float32) if isinstance(image, np.ndarray) else image.float()


def n_values(image: Image) -> int:
    """Return the number of distinct values."""
    return len(np.unique(image)) if isinstance(image, np.ndarray) else len(image.unique())


def replace(image: Image, where: Image, value: float) -> Image:
    """Return a copy of an image with a value where a mask is True.

    Parameters
    ----------
    image : numpy.ndarray or torch.Tensor
        Any shape.
    where : numpy.ndarray or torch.Tensor
        Boolean mask of the same shape.
    value : float
        Value of the masked pixels.
    """
    if isinstance(image, np.ndarray):
        return np.where(where, np.float32(value), image)
    return image.masked_fill(where, value)


def blur(image: Image, width: tuple[float, float]) -> Image:
    """Blur (..., Y, X) by a Gaussian, with periodic borders.

    `width` is its standard deviations in pixels along (Y, X).
    """
    if isinstance(image, np.ndarray):
        return gaussian_filter(image, width, mode="wrap", axes=(-2, -1), truncate=TRUNCATE)
    for axis, deviation in zip((-2, -1), width, strict=True):
        reach = int(TRUNCATE * deviation + 0.5)
        weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / (deviation or 1.0)))
        steps = enumerate(weights / weights.sum(), start=-reach)
        image = sum((weight * image.roll(step, axis) for step, weight in steps), 0 * image)
    return image


def mean_filter(image: Image, size: int) -> Image:
    """Average (..., Y, X) over squares of `size` pixels, with mirrored borders."""
    if isinstance(image, np.ndarray):
        return uniform_filter(image, size, axes=(-2, -1))
    from torch.nn.functional import avg_pool2d

    rows, columns = (
        np.pad(np.arange(length), (size // 2, (size - 1) // 2), mode="symmetric")
        for length in image.shape[-2:]
    )
    padded = image[..., rows, :][..., columns]
    return avg_pool2d(padded.reshape(-1, *padded.shape[-2:]), size, stride=1).reshape(image.shape)


def filter_spectrum(image: Image, gain: np.ndarray) -> Image:
    """Multiply the spectrum of each plane by a real gain, in the layout of `scipy.fft.rfft2`."""
    gain = gain.astype(np.float32)
    shape = tuple(image.shape[-2:])
    if isinstance(image, np.ndarray):
        return fft.irfft2(fft.rfft2(image) * gain, s=shape)
    import torch

    on_device = torch.from_numpy(gain).to(image.device)
    return torch.fft.irfft2(torch.fft.rfft2(image) * on_device, s=shape)
