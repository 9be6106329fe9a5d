"""Numbers on disk that stand for values by a line, as medical files hold them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

LARGEST_EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class Storage:
    """How stored numbers stand for values: ``value = slope * stored + intercept``.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the stored numbers, in this machine's byte order.
    low, high : float
        Smallest and largest number that can be stored.
    slope, intercept : float
        The line; the slope is not 0.
    """

    dtype: np.dtype
    low: float
    high: float
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def of_type(cls, dtype: np.dtype, slope: float = 1.0, intercept: float = 0.0) -> Self:
        """Storage that uses the whole range of a type."""
        dtype = dtype.newbyteorder("=")
        info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        return cls(dtype, info.min, info.max, slope, intercept)

    @property
    def value_dtype(self) -> np.dtype:
        """The smallest type that holds all values, or at least tells stored ones apart."""
        if self._is_identity or self.dtype.kind == "f":
            return self.dtype
        if self._is_integral:
            first, last = sorted(self.slope * end + self.intercept for end in (self.low, self.high))
            return np.min_scalar_type(int(last if first >= 0 else min(first, -last - 1)))
        is_small = self.high - self.low < LARGEST_EXACT_FLOAT32
        return np.dtype(np.float32 if is_small else np.float64)

    def to_values(self, stored: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Give the values of stored numbers, as a type that holds them."""
        if self._is_identity:
            return stored.astype(dtype, copy=False)
        exact = np.int64 if self._is_integral else np.float64
        return (stored.astype(exact) * exact(self.slope) + exact(self.intercept)).astype(dtype)

    def to_stored(self, values: np.ndarray) -> np.ndarray:
        """Give the nearest numbers that can be stored."""
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
        """Whether values are whole numbers that 64 bits hold."""
        is_whole = float(self.slope).is_integer() and float(self.intercept).is_integer()
        return is_whole and self.dtype.kind in "iu" and self.dtype.itemsize < 8
