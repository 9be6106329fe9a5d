"""The noise of a tomographic reconstruction."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.noise._random import Image, Random, filter_spectrum, normal


@dataclass(frozen=True)
class Tomographic:
    """Additive Gaussian noise as filtered back-projection leaves it in CT.

    Its power grows with the spatial frequency, by the ramp filter, up to where the reconstruction
    kernel ends it (Riederer, Pelc, Chesler, "The noise power spectrum in computed X-ray
    tomography", Phys. Med. Biol. 1978). Neighbouring pixels are correlated negatively, and the
    image's mean stays as it is.

    Parameters
    ----------
    sigma : float
        Standard deviation on the image's scale.
    cutoff : float
        Where the kernel, a Gaussian, has fallen to ``exp(-1/2)``, in cycles a pixel.
    streaks : float
        How much more of the noise comes from some views than from others, as the concentration of
        a von Mises distribution; beside a body that absorbs much, it looks like combed hair.
    direction : float
        Across which they run, in radians from the X axis.
    """

    sigma: float
    cutoff: float = 0.3
    streaks: float = 0.0
    direction: float = 0.0

    def power(self, shape: tuple[int, int]) -> np.ndarray:
        """Power spectrum of a plane, in the order of `numpy.fft.fft2`; its mean is sigma^2."""
        y, x = np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")
        frequency = np.hypot(y, x)
        views = np.exp(self.streaks * np.cos(2 * (np.arctan2(y, x) - self.direction)))
        power = frequency * np.exp(-np.square(frequency / self.cutoff)) * views
        # At Nyquist's frequency, which is its own opposite, `views` has two values.
        power += np.roll(power[::-1, ::-1], 1, axis=(0, 1))
        return self.sigma**2 * power / power.mean()

    def __call__(self, clean: Image, rng: Random) -> Image:
        """Add the noise; it goes on from one border of the image at the opposite one."""
        height, width = clean.shape[-2:]
        gain = np.sqrt(self.power((height, width)))[:, : width // 2 + 1]
        return clean + filter_spectrum(normal(clean, rng), gain)
