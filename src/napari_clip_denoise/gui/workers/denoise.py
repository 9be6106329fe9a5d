"""Denoising layers as a generator for napari's ``thread_worker``, without widget or viewer."""

import math
from collections.abc import Callable, Generator, Sequence
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
    """An image to denoise, and the destination of the result.

    Attributes
    ----------
    stack : Stack
        The whole image, which also determines the intensity mapping.
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

    @property
    def planes(self) -> int:
        """Number of planes to denoise."""
        leading = self.region[: len(self.stack.leading_shape)]
        return math.prod(part.stop - part.start for part in leading)

    @property
    def bytes_in_memory(self) -> int:
        """Size of the result in memory; 0 if it is written to a file."""
        if self.store is not None:
            return 0
        dtype = result_dtype(self.stack, self.settings.output_dtype)
        return math.prod(part.stop - part.start for part in self.region) * dtype.itemsize


@dataclass(frozen=True)
class Started:
    """A result while it is being computed.

    Attributes
    ----------
    number : int
        Index of its request.
    array : array-like
        The pixels, sliced like a NumPy array; zero where nothing has been computed yet.
    provenance : dict
        Record of how the result is made.
    """

    number: int
    array: Any
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A complete result.

    Attributes
    ----------
    number : int
        Index of its request.
    array : array-like
        The pixels, in memory or in the finished store.
    path : Path or None
        Path of the store; None for a result in memory.
    verdict : RunVerdict or None
        What the check of the result found; None if it was not checked.
    """

    number: int
    array: Any
    path: Path | None
    verdict: "RunVerdict | None" = None


Message = Started | Finished | Progress


def denoise_steps(
    requests: Sequence[Request], cancel: CancelToken
) -> Generator[tuple[Message, ...], None, None]:
    """Denoise images in a separate thread, one after the other, and yield its messages.

    Parameters
    ----------
    requests : sequence of Request
        The images to denoise.
    cancel : CancelToken
        Token that stops the work; closing the generator does the same.

    Yields
    ------
    tuple of Started, Finished or Progress
        New messages, possibly none; the progress is that of all images together.
    """
    yield from relay(partial(_denoise_all, requests, cancel), cancel)


def time_run(requests: Sequence[Request], cancel: CancelToken) -> "list[Plan]":
    """Estimate the time and memory of runs on whole images by running a few tiles of each.

    Parameters
    ----------
    requests : sequence of Request
        The images to denoise.
    cancel : CancelToken
        Token that stops the estimate.

    Returns
    -------
    list of Plan
        The estimate for each image.

    Raises
    ------
    ClipDenoiseError
        If a run itself would raise it, for example because the result does not fit.
    """
    keep_triton_out()
    from napari_clip_denoise.inference.estimate import make_plan

    plans = []
    for request in requests:
        settings, stack = request.settings, request.stack
        model = load(settings.model, rgb=stack.is_rgb)
        plan = make_plan(stack, request.store, settings, model, cancel=cancel)
        cancel.check()
        if request.store is not None:
            plan.check()
        plans.append(plan)
    return plans


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


class _JoinedProgress:
    """The progress of several runs, one after the other, as that of one."""

    def __init__(self, total: int, send: Callable[[Progress], None]) -> None:
        self._total, self._send = total, send
        self._finished = self._latest = Progress(0, total, 0.0)

    def begin(self) -> None:
        """Report what earlier runs have done; the next run adds to it."""
        self._finished = self._latest
        if self._finished.done:
            self._send(self._finished)

    def add(self, progress: Progress) -> None:
        """Report the progress of the current run."""
        if progress.message:
            self._send(progress)
            return
        finished = self._finished
        self._latest = Progress(
            finished.done + progress.done,
            self._total,
            finished.seconds + progress.seconds,
            finished.before + progress.before,
        )
        self._send(self._latest)


def _denoise_all(
    requests: Sequence[Request], cancel: CancelToken, send: Callable[[Message], None]
) -> None:
    keep_triton_out()
    check_memory(sum(request.bytes_in_memory for request in requests))
    progress = _JoinedProgress(sum(request.planes for request in requests), send)
    for number, request in enumerate(requests):
        cancel.check()
        send(_denoise(number, request, cancel, send, progress))


def _denoise(
    number: int,
    request: Request,
    cancel: CancelToken,
    send: Callable[[Message], None],
    progress: _JoinedProgress,
) -> Finished:
    from napari_clip_denoise.inference.runs import denoise_to_file, denoise_to_memory

    def on_start(array: Any, how: dict[str, Any]) -> None:
        send(Started(number, array, how))
        progress.begin()

    verdicts: list[RunVerdict] = []

    stack, settings = request.stack, request.settings
    if request.store is not None:
        denoise_to_file(
            stack,
            request.store,
            settings,
            overwrite=request.overwrite,
            on_start=on_start,
            progress=progress.add,
            cancel=cancel,
            on_checked=verdicts.append,
        )
        return Finished(number, open_stack(request.store).array, request.store, *verdicts)
    array = denoise_to_memory(
        stack,
        settings,
        region=request.region,
        on_start=on_start,
        progress=progress.add,
        cancel=cancel,
        on_checked=verdicts.append,
    )
    return Finished(number, array, None, *verdicts)
