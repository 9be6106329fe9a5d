"""Variance stabilisation: turns shot noise into nearly Gaussian noise of variance 1."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_SHIFT = 3 / 8
_LOWEST = 2 * math.sqrt(_SHIFT)
_ROOT = math.sqrt(3 / 2)
_MANY = 10.0
"""Mean transform above which the noise has unit variance."""


@dataclass(frozen=True)
class AnscombeTransform:
    """The generalized Anscombe transform, for noise whose variance is linear in the value.

    Parameters
    ----------
    gain : float
        Slope of the noise variance over the value, in raw units per photon; positive.
    intercept : float
        Noise variance at the raw value 0, in squared raw units. Read noise increases it, a camera
        offset decreases it.

    References
    ----------
    Mäkitalo and Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE Transactions on Image Processing 22, 2013.
    """

    gain: float
    intercept: float = 0.0

    @property
    def floor(self) -> float:
        """The raw value below which all values are transformed to 0."""
        return -self.intercept / self.gain - _SHIFT * self.gain

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Transform raw values; those with a negative variance become 0."""
        squared = np.array(values, np.result_type(values, np.float32))
        squared *= 4 / self.gain
        squared += 4 * (self.intercept / self.gain**2 + _SHIFT)
        np.maximum(squared, 0, out=squared)
        return np.sqrt(squared, out=squared)

    def inverse(self, stabilised: np.ndarray) -> np.ndarray:
        """Return the raw value whose noisy transforms have this mean (exact unbiased inverse)."""
        d = np.maximum(stabilised, _LOWEST)
        r = 1 / d
        tail = self.gain * 5 / 8 * _ROOT * r
        for coefficient in (-11 / 8, _ROOT / 4):
            tail += self.gain * coefficient
            tail *= r
        d *= d
        d *= self.gain / 4
        d += tail
        dark = -self.intercept / self.gain
        d += dark - self.gain / 8
        return np.maximum(d, dark)

    def expected(self, values: np.ndarray) -> np.ndarray:
        """Return the mean transform of noisy values around `values`: the inverse of `inverse`."""
        stabilised, raw = self._table
        low = np.interp(values, raw, stabilised)
        return np.where(values > raw[-1], self.forward(values), low)

    def deviation(self, values: np.ndarray) -> np.ndarray:
        """Return the standard deviation of transformed noisy values around `values`.

        It is 1 but for few photons, where it falls with the number of photons. It follows from the
        mean transform, since the mean of the squared transform is linear in the value.
        """
        mean = self.expected(values)
        squared = np.square(self.forward(np.asarray(values, np.float64)))
        few = np.sqrt(np.maximum(squared - np.square(mean), 0))
        return np.where(mean < _MANY, np.minimum(few, 1), 1)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        stabilised = np.linspace(_LOWEST, 60, 4096)
        return stabilised, self.inverse(stabilised)
