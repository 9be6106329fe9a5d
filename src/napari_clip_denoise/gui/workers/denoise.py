"""Denoising a layer as a generator for napari's ``thread_worker``, without widget or viewer."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formatting import format_bytes
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.workers.priority import lower_priority
from napari_clip_denoise.gui.workers.relay import relay
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.progress import CancelToken, Progress
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.registry import load

if TYPE_CHECKING:
    from napari_clip_denoise.inference.estimate import Plan
    from napari_clip_denoise.residual.run_verdict import RunVerdict

MEMORY_BYTES = 2 * 2**30
MEMORY_SHARE = 0.25


@dataclass(frozen=True)
class Request:
    """A layer to denoise, and the destination of the result.

    Attributes
    ----------
    stack : Stack
        The whole layer, which also determines the intensity mapping.
    settings : DenoiseSettings
        Settings of the run.
    region : tuple of slice
        Part of the stack to denoise: all of it, or a plane.
    store : Path or None
        OME-Zarr file for a result of the whole stack; None keeps it in memory.
    overwrite : bool
        Whether to replace a file that already exists.
    """

    stack: Stack
    settings: DenoiseSettings
    region: Region
    store: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Started:
    """The result while it is being computed.

    Attributes
    ----------
    array : array-like
        The pixels, sliced like a NumPy array; zero where nothing has been computed yet.
    provenance : dict
        Record of how the result is made.
    """

    array: Any
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """The complete result.

    Attributes
    ----------
    array : array-like
        The pixels, in memory or in the finished store.
    path : Path or None
        Path of the store; None for a result in memory.
    verdict : str
        What the check of the result found, as a sentence; empty if it was not checked.
    """

    array: Any
    path: Path | None
    verdict: str = ""


Message = Started | Progress


def denoise_steps(
    request: Request, cancel: CancelToken
) -> Generator[tuple[Message, ...], None, Finished]:
    """Denoise in a separate thread and yield its messages.

    Parameters
    ----------
    request : Request
        The layer to denoise.
    cancel : CancelToken
        Token that stops the work; closing the generator does the same.

    Yields
    ------
    tuple of Started or Progress
        New messages, possibly none.

    Returns
    -------
    Finished
        The result.
    """
    return (yield from relay(partial(_denoise, request, cancel), cancel))


def time_run(request: Request, cancel: CancelToken) -> "Plan":
    """Estimate the time and memory of a run on the whole stack by running a few tiles.

    Parameters
    ----------
    request : Request
        The layer to denoise.
    cancel : CancelToken
        Token that stops the estimate.

    Returns
    -------
    Plan
        The estimate.

    Raises
    ------
    ClipDenoiseError
        If the run itself would raise it, for example because the result does not fit.
    """
    keep_triton_out()
    from napari_clip_denoise.inference.estimate import make_plan

    settings = request.settings
    plan = make_plan(
        request.stack,
        request.store,
        settings,
        load(settings.model, rgb=request.stack.is_rgb),
        cancel=cancel,
    )
    cancel.check()
    if request.store is not None:
        plan.check()
    return plan


def warm_up() -> None:
    """Import the modules that denoising needs, which takes seconds, before the first run."""
    lower_priority()
    keep_triton_out()
    import dask.array  # noqa: F401

    from napari_clip_denoise.inference import pipeline, provenance  # noqa: F401
    from napari_clip_denoise.inference.engine import region  # noqa: F401
    from napari_clip_denoise.models import checkpoint  # noqa: F401
    from napari_clip_denoise.noise import estimate  # noqa: F401


def memory_limit() -> int:
    """Return the size of the largest result that is kept in memory, in bytes."""
    return min(MEMORY_BYTES, int(MEMORY_SHARE * psutil.virtual_memory().available))


def check_memory(n_bytes: int) -> None:
    """Check that a result of `n_bytes` fits into memory with room to spare.

    Raises
    ------
    InputError
        If it does not fit; the message says what to do instead.
    """
    if n_bytes > memory_limit():
        raise InputError(
            f"The result needs {format_bytes(n_bytes)}, too much for memory; choose an OME-Zarr "
            "file under 'Save to' and it will be written there."
        )


def _denoise(request: Request, cancel: CancelToken, send: Callable[[Message], None]) -> Finished:
    keep_triton_out()
    from napari_clip_denoise.inference.runs import denoise_to_file, denoise_to_memory

    def on_start(array: Any, how: dict[str, Any]) -> None:
        send(Started(array, how))

    verdicts: list[RunVerdict] = []

    def verdict() -> str:
        return verdicts[0].sentence if verdicts else ""

    stack, settings = request.stack, request.settings
    if request.store is not None:
        denoise_to_file(
            stack,
            request.store,
            settings,
            overwrite=request.overwrite,
            on_start=on_start,
            progress=send,
            cancel=cancel,
            on_checked=verdicts.append,
        )
        return Finished(open_stack(request.store).array, request.store, verdict())
    dtype = result_dtype(stack, settings.output_dtype)
    check_memory(math.prod(part.stop - part.start for part in request.region) * dtype.itemsize)
    array = denoise_to_memory(
        stack,
        settings,
        region=request.region,
        on_start=on_start,
        progress=send,
        cancel=cancel,
        on_checked=verdicts.append,
    )
    return Finished(array, None, verdict())
