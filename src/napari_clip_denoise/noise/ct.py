"""Noise of tomographic reconstructions."""

from dataclasses import dataclass

import numpy as np
from scipy import fft


@dataclass(frozen=True)
class Tomographic:
    """Additive Gaussian noise, as in CT reconstructed by filtered back-projection.

    Its power increases with the spatial frequency due to the ramp filter, up to the cutoff of the
    reconstruction kernel (Riederer, Pelc, Chesler, "The noise power spectrum in computed X-ray
    tomography", Phys. Med. Biol. 1978). Neighbouring pixels are negatively correlated, and the
    mean of the image is preserved.

    Parameters
    ----------
    sigma : float
        Standard deviation on the image's scale.
    cutoff : float
        Frequency at which the Gaussian kernel has fallen to ``exp(-1/2)``, in cycles per pixel.
    streaks : float
        Anisotropy of the noise, as the concentration of a von Mises distribution over the views;
        0 is isotropic. Strongly absorbing bodies cause such streaks.
    direction : float
        Direction across the streaks, in radians from the X axis.
    """

    sigma: float
    cutoff: float = 0.3
    streaks: float = 0.0
    direction: float = 0.0

    def power(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the power spectrum (Y, X) in the layout of `numpy.fft.fft2`, of mean sigma^2."""
        y, x = np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")
        frequency = np.hypot(y, x)
        views = np.exp(self.streaks * np.cos(2 * (np.arctan2(y, x) - self.direction)))
        power = frequency * np.exp(-np.square(frequency / self.cutoff)) * views
        # At Nyquist's frequency, which is its own opposite, `views` has two values.
        power += np.roll(power[::-1, ::-1], 1, axis=(0, 1))
        return self.sigma**2 * power / power.mean()

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise to an image (..., Y, X); it is periodic at the borders."""
        height, width = clean.shape[-2:]
        gain = np.sqrt(self.power((height, width)))[:, : width // 2 + 1].astype(np.float32)
        white = rng.standard_normal(clean.shape, np.float32)
        return clean + fft.irfft2(fft.rfft2(white) * gain, s=(height, width))
