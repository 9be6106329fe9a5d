"""Linear rescaling between stored numbers and values, as in medical files."""

from dataclasses import dataclass
from typing import Self

import numpy as np

LARGEST_EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class Rescale:
    """A conversion between stored numbers and values: ``value = slope * stored + intercept``.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the stored numbers, in native byte order.
    low, high : float
        Smallest and largest number that can be stored.
    slope, intercept : float
        Coefficients of the conversion; the slope is not 0.
    """

    dtype: np.dtype
    low: float
    high: float
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def of_type(cls, dtype: np.dtype, slope: float = 1.0, intercept: float = 0.0) -> Self:
        """Return a conversion whose stored numbers use the whole range of a type.

        Parameters
        ----------
        dtype : numpy.dtype
            Type of the stored numbers, in any byte order.
        slope, intercept : float
            Coefficients of the conversion.
        """
        dtype = dtype.newbyteorder("=")
        info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        return cls(dtype, info.min, info.max, slope, intercept)

    @property
    def value_dtype(self) -> np.dtype:
        """The smallest type that can represent all values, or at least keeps them distinct."""
        if self._is_identity or self.dtype.kind == "f":
            return self.dtype
        if self._is_integral:
            first, last = sorted(self.slope * end + self.intercept for end in (self.low, self.high))
            return np.min_scalar_type(int(last if first >= 0 else min(first, -last - 1)))
        is_small = self.high - self.low < LARGEST_EXACT_FLOAT32
        return np.dtype(np.float32 if is_small else np.float64)

    def to_values(self, stored: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Convert stored numbers to values of a type that can represent them."""
        if self._is_identity:
            return stored.astype(dtype, copy=False)
        exact = np.int64 if self._is_integral else np.float64
        return (stored.astype(exact) * exact(self.slope) + exact(self.intercept)).astype(dtype)

    def to_stored(self, values: np.ndarray) -> np.ndarray:
        """Convert values to the nearest numbers that can be stored."""
        if self._is_identity and values.dtype == self.dtype:
            return values if self.dtype.kind == "f" else values.clip(self.low, self.high)
        exact = (values.astype(np.float64) - self.intercept) / self.slope
        if self.dtype.kind == "f":
            return exact.astype(self.dtype)
        return np.rint(exact).clip(self.low, self.high).astype(self.dtype)

    @property
    def _is_identity(self) -> bool:
        return self.slope == 1 and self.intercept == 0

    @property
    def _is_integral(self) -> bool:
        """True if all values are integers that fit into 64 bits."""
        is_whole = float(self.slope).is_integer() and float(self.intercept).is_integer()
        return is_whole and self.dtype.kind in "iu" and self.dtype.itemsize < 8
