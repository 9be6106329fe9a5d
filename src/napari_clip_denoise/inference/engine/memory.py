"""Measurement of the memory that a network needs on its device, and of the free memory."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SIDES, SIDES_ON_CUDA = (64, 128), (256, 512)
"""Sides of the planes used to measure; CUDA uses other algorithms for small ones."""
SHARE_OF_FREE = 0.8
BESIDE_TENSORS = 1.6
"""Total memory on the CPU as a multiple of that of the tensors; oneDNN has its own buffers."""


@dataclass(frozen=True)
class MemoryModel:
    """Memory use of one call of a network, a linear function of the pixels in its batch.

    Attributes
    ----------
    fixed : float
        Bytes used by any call.
    per_pixel : float
        Additional bytes per pixel.
    """

    fixed: float
    per_pixel: float

    def n_bytes(self, pixels: int) -> int:
        """Return the memory use in bytes of a batch with this number of pixels."""
        return int(self.fixed + self.per_pixel * pixels)

    def pixels(self, n_bytes: int) -> int:
        """Return the number of pixels of the largest batch within a memory size; 0 if none fits."""
        return max(0, int((n_bytes - self.fixed) / self.per_pixel))


def measure(call: Callable[[int], object], device: torch.device) -> MemoryModel:
    """Measure the memory use of a network on planes of two sizes.

    Parameters
    ----------
    call : callable
        Runs the network on a square plane with the given side in pixels.
    device : torch.device
        Device the network runs on.

    Returns
    -------
    MemoryModel
        Line through both measurements.
    """
    sides, peak = SIDES, _peak_of_tensors
    if device.type == "cuda":
        sides, peak = SIDES_ON_CUDA, _peak_on_cuda
    call(sides[0])
    small, large = (peak(partial(call, side)) for side in sides)
    per_pixel = (large - small) / (sides[1] ** 2 - sides[0] ** 2)
    return MemoryModel(max(0.0, small - per_pixel * sides[0] ** 2), per_pixel)


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes; Apple GPUs share the memory of the host."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _peak_on_cuda(call: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return torch.cuda.max_memory_allocated() - before


def _peak_of_tensors(call: Callable[[], object]) -> int:
    with _LiveTensors() as live:
        call()
    return int(BESIDE_TENSORS * live.peak)


class _LiveTensors(TorchDispatchMode):
    """Tracker of the total size in bytes of the live tensors that operations create."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._sizes: dict[int, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return True so that torch's compiler is not loaded just to be excluded."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._add(leaf.untyped_storage())
        self.peak = max(self.peak, sum(self._sizes.values()))
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            weakref.finalize(storage, self._sizes.pop, key, None)
