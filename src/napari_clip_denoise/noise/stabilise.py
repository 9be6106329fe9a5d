"""Stabilisation of variance: shot noise becomes about white Gaussian noise of variance 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_SHIFT = 3 / 8
_LOWEST = 2 * np.sqrt(_SHIFT)


@dataclass(frozen=True)
class AnscombeTransform:
    """The generalized Anscombe transform of values whose noise variance is linear in them.

    Parameters
    ----------
    gain : float
        Slope of the noise variance over the value, in raw units a photon; positive.
    intercept : float
        Noise variance at the raw value 0, in squared raw units. Read noise makes it larger, a
        camera offset smaller.

    References
    ----------
    Mäkitalo and Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE Transactions on Image Processing 22, 2013.
    """

    gain: float
    intercept: float = 0.0

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Transform raw values; those whose variance would be negative become 0."""
        photons = values / self.gain + self.intercept / self.gain**2
        return 2 * np.sqrt(np.maximum(photons + _SHIFT, 0))

    def inverse(self, stabilised: np.ndarray) -> np.ndarray:
        """Give the raw value whose noisy transforms have this mean (exact unbiased inverse)."""
        d = np.maximum(stabilised, _LOWEST)
        root = np.sqrt(3 / 2)
        r = 1 / d
        photons = d * d / 4 - 1 / 8 + r * (root / 4 + r * (5 * root / 8 * r - 11 / 8))
        return np.maximum(photons, 0) * self.gain - self.intercept / self.gain

    def expected(self, values: np.ndarray) -> np.ndarray:
        """Give the mean of the transform of noisy values around `values`: `inverse`, inverted."""
        stabilised, raw = self._table
        low = np.interp(values, raw, stabilised)
        return np.where(values > raw[-1], self.forward(values), low)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        stabilised = np.linspace(_LOWEST, 60, 4096)
        return stabilised, self.inverse(stabilised)
