"""Reuse of array memory, because allocating new pages takes longer than the arithmetic on them."""

import math
import threading
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike


class BufferPool:
    """Thread-safe pool of array memory.

    It never holds more arrays than were in use at the same time.
    """

    def __init__(self) -> None:
        self._lent: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()
        self._free: list[np.ndarray] = []
        self._guard = threading.Lock()

    def acquire(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Return an uninitialised array, like `numpy.empty`."""
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

    def release(self, array: np.ndarray) -> None:
        """Return an array, or a view of it, to the pool; arrays from elsewhere are ignored."""
        memory = array
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        with self._guard:
            if self._lent.get(id(memory)) is memory:
                del self._lent[id(memory)]
                self._free.append(memory)
