"""Stabilisation of variance: shot noise becomes about white Gaussian noise of variance 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_SHIFT = 3 / 8
_LOWEST = 2 * np.sqrt(_SHIFT)
_ROOT = np.sqrt(3 / 2)


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
        photons = values / self.gain
        photons += self.intercept / self.gain**2
        photons += _SHIFT
        root = np.sqrt(np.maximum(photons, 0))
        root *= 2
        return root

    def inverse(self, stabilised: np.ndarray) -> np.ndarray:
        """Give the raw value whose noisy transforms have this mean (exact unbiased inverse)."""
        d = np.maximum(stabilised, _LOWEST)
        r = 1 / d
        tail = 5 / 8 * _ROOT * r
        for coefficient in (-11 / 8, _ROOT / 4):
            tail += coefficient
            tail *= r
        d *= d
        d *= 0.25
        d -= 1 / 8
        d += tail
        raw = np.maximum(d, 0)
        raw *= self.gain
        raw -= self.intercept / self.gain
        return raw

    def expected(self, values: np.ndarray) -> np.ndarray:
        """Give the mean of the transform of noisy values around `values`: `inverse`, inverted."""
        stabilised, raw = self._table
        low = np.interp(values, raw, stabilised)
        return np.where(values > raw[-1], self.forward(values), low)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        stabilised = np.linspace(_LOWEST, 60, 4096)
        return stabilised, self.inverse(stabilised)
