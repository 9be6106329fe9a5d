"""A simulated camera: photons of a clean image in, integer counts out."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.noise.models import PoissonGaussian


@dataclass(frozen=True)
class Acquisition:
    """A noisy image and what it would be without noise.

    Attributes
    ----------
    noisy : numpy.ndarray
        uint16 camera counts.
    truth : numpy.ndarray
        float32 expected counts, same shape.
    """

    noisy: np.ndarray
    truth: np.ndarray


def acquire(
    clean: np.ndarray,
    *,
    photons: float = 20.0,
    background: float = 2.0,
    read_noise: float = 1.5,
    gain: float = 8.0,
    offset: float = 100.0,
    seed: int = 0,
) -> Acquisition:
    """Take an image with a camera of known gain and offset.

    Parameters
    ----------
    clean : numpy.ndarray
        Any shape, 0 is no light, about 1 is bright.
    photons : float
        Expected photons where `clean` is 1.
    background : float
        Photons a pixel from elsewhere.
    read_noise : float
        Standard deviation of the read noise in photons.
    gain, offset : float
        Counts a photon, and counts without light.
    seed : int
        The same seed gives the same noise.
    """
    light = clean + background / photons
    noise = PoissonGaussian(photons, read_noise)
    counts = offset + gain * photons * noise(light, np.random.default_rng(seed))
    return Acquisition(
        np.clip(np.rint(counts), 0, 65535).astype(np.uint16),
        (offset + gain * photons * light).astype(np.float32),
    )
