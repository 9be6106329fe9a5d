"""How much of a device's arithmetic a network gets out of it."""

import copy
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_clip_denoise.inference.engine.engine import cpu_threads
from napari_clip_denoise.models.checkpoint import Model

SIDES = {"cpu": 2048, "mps": 4096, "cuda": 8192}
"""Of the square matrices that are multiplied: large enough for a device to reach its best."""
REPEATS = 5


def flops_per_plane(model: Model, side: int) -> int:
    """Count the floating-point operations of a network, a multiplication and an addition each.

    Parameters
    ----------
    model : Model
        Its convolutions are counted as they are written: fewer multiplications by Winograd's
        algorithm are not.
    side : int
        Side of the square plane in pixels, a multiple of 16.
    """
    network = copy.deepcopy(model.denoiser).to("meta")
    plane = torch.empty(1, model.card.network.channels, side, side, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(plane)
    return counter.get_total_flops()


def matmul_rate(
    device: torch.device, dtype: torch.dtype, threads: int, *, side: int | None = None
) -> float:
    """Measure the best rate of a device at multiplying matrices.

    Parameters
    ----------
    device, dtype :
        Where, and of which type.
    threads : int
        Of the CPU.
    side : int, optional
        Of the square matrices, by default what suits the device.

    Returns
    -------
    float
        Floating-point operations a second; on the CPU a second of processor time.
    """
    side = side or SIDES[device.type]
    matrix = torch.rand(side, side, device=device).to(dtype)

    def multiply() -> None:
        product = matrix @ matrix
        if device.type != "cpu":
            product[0, 0].item()

    with cpu_threads(threads), torch.inference_mode():
        multiply()
        fastest = min(seconds_of(multiply, device) for _ in range(REPEATS))
    return 2 * side**3 / fastest


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Time a call: in processor time on the CPU, which other programs disturb least."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    call()
    return clock() - started
