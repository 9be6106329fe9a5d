"""Base of arrays in files, which are read where they are sliced."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class LazyArray(ABC):
    """An array whose pixels are read when it is sliced; `numpy.asarray` reads all of them.

    Parameters
    ----------
    shape : tuple of int
        Size of each axis.
    dtype : numpy.dtype
        Type of the pixels.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype):
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def __getitem__(self, index: Any) -> np.ndarray:
        """Read a part into memory."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read the whole array.

        Raises
        ------
        ValueError
            If `copy` is False, because what is read is always a copy.
        """
        if copy is False:
            raise ValueError("A file cannot be read without making a copy; leave out copy=False.")
        return np.asarray(self[(slice(None),) * self.ndim], dtype)


def parts_of(index: Any, ndim: int) -> tuple[Any, ...]:
    """Return an index with one part for each axis.

    Parameters
    ----------
    index : int, slice, Ellipsis or tuple of these
        As between square brackets.
    ndim : int
        Number of axes.

    Raises
    ------
    IndexError
        If the index has more parts than there are axes.
    """
    parts = index if isinstance(index, tuple) else (index,)
    n_free = ndim - sum(part is not Ellipsis for part in parts)
    if n_free < 0:
        raise IndexError(f"an index of {ndim - n_free} parts for {ndim} axes")
    where = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    return (*parts[:where], *(slice(None),) * n_free, *parts[where + 1 :])
