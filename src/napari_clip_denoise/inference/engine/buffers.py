"""Memory that is kept: of arrays, to be used again, and of results that are needed again.

Allocating new pages takes longer than the arithmetic on them.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike

CACHE_BYTES = 2**29


class BufferPool:
    """Thread-safe pool of array memory.

    It lends memory that is up to twice as large as an array, so a small one does not occupy that of
    a large one. Of each size, it never holds more than was in use at the same time.
    """

    def __init__(self) -> None:
        self._lent: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()
        self._free: list[np.ndarray] = []
        self._guard = threading.Lock()

    def acquire(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Return an uninitialised array, like `numpy.empty`."""
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        with self._guard:
            fitting = [memory for memory in self._free if n_bytes <= memory.size <= 2 * n_bytes]
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


class ArrayCache:
    """Thread-safe cache of arrays; those not used for longest are dropped first.

    Parameters
    ----------
    most_bytes : int
        Largest total size in bytes; a single larger array is kept.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES):
        self._most_bytes = most_bytes
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._guard = threading.Lock()
        self.n_bytes = 0

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of a key, which is made if it is not there."""
        with self._guard:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = make()
        with self._guard:
            if key not in self._arrays:
                self._arrays[key] = array
                self.n_bytes += array.nbytes
            while len(self._arrays) > 1 and self.n_bytes > self._most_bytes:
                self.n_bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array

    def clear(self) -> None:
        """Drop all arrays."""
        with self._guard:
            self._arrays.clear()
            self.n_bytes = 0
