"""Memory that is used again: fresh pages cost the system more time than the sums done on them."""

import math
import threading

import numpy as np


class Scratch:
    """Lends float32 arrays and takes them back, from any thread.

    It never holds more than were lent at the same time.
    """

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        self._guard = threading.Lock()

    def lend(self, shape: tuple[int, ...]) -> np.ndarray:
        """Give an array with any values in it."""
        size = math.prod(shape)
        with self._guard:
            fitting = (i for i, memory in enumerate(self._free) if memory.size >= size)
            found = next(fitting, None)
            memory = np.empty(size, np.float32) if found is None else self._free.pop(found)
        return memory[:size].reshape(shape)

    def take_back(self, array: np.ndarray) -> None:
        """Take what was lent, or a view of it, which is not used any more."""
        memory = array
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        if memory.ndim == 1:
            with self._guard:
                self._free.append(memory)


def fresh(shape: tuple[int, ...]) -> np.ndarray:
    """Give a new array, as `Scratch.lend` where there is nothing to use again."""
    return np.empty(shape, np.float32)
