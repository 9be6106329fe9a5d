"""Memory that is used again: fresh pages cost the system more time than the sums done on them."""

import math
import threading
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike


class Scratch:
    """Lends arrays and takes them back, from any thread.

    It never holds more than were lent at the same time.
    """

    def __init__(self) -> None:
        self._lent: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()
        self._free: list[np.ndarray] = []
        self._guard = threading.Lock()

    def lend(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Give an array with any values in it, as `numpy.empty` does."""
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        with self._guard:
            fitting = [memory for memory in self._free if memory.size >= n_bytes]
            memory = min(fitting, key=len, default=None)
            if memory is None:
                memory = np.empty(n_bytes, np.uint8)
            else:
                self._free = [other for other in self._free if other is not memory]
            self._lent[id(memory)] = memory
        return memory[:n_bytes].view(dtype).reshape(shape)

    def take_back(self, array: np.ndarray) -> None:
        """Take what was lent, or a view of it, which is not used any more; leave all else."""
        memory = array
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        with self._guard:
            if self._lent.get(id(memory)) is memory:
                del self._lent[id(memory)]
                self._free.append(memory)
