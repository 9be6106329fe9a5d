"""A simulated camera, from the light of a clean image to integer counts."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.noise.models import PoissonGaussian


@dataclass(frozen=True)
class Acquisition:
    """A noisy image and its noise-free expectation.

    Attributes
    ----------
    noisy : numpy.ndarray
        Camera counts, uint16.
    truth : numpy.ndarray
        Expected counts, float32, same shape.
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
    """Simulate the acquisition of an image by a camera of known gain and offset.

    Parameters
    ----------
    clean : numpy.ndarray
        Noise-free image of any shape, from 0 (no light) to about 1 (bright).
    photons : float
        Expected photons per pixel where `clean` is 1.
    background : float
        Additional background photons per pixel.
    read_noise : float
        Standard deviation of the read noise in photons.
    gain : float
        Counts per photon.
    offset : float
        Counts without light.
    seed : int
        Seed of the noise.

    Returns
    -------
    Acquisition
        The noisy image and its expectation, in counts.
    """
    light = clean + background / photons
    noise = PoissonGaussian(photons, read_noise)
    counts = offset + gain * photons * noise(light, np.random.default_rng(seed))
    return Acquisition(
        np.clip(np.rint(counts), 0, 65535).astype(np.uint16),
        (offset + gain * photons * light).astype(np.float32),
    )
