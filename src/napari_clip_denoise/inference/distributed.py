"""Denoising on the workers of a dask cluster, with the same regions as a local run."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from napari_clip_denoise.errors import DeviceError, InputError
from napari_clip_denoise.formats import open_again
from napari_clip_denoise.formats.base import Writer
from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.opening import Opening
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.backoff import denoise_within_memory
from napari_clip_denoise.inference.engine.job import Job, prepare
from napari_clip_denoise.inference.engine.region import planes_in
from napari_clip_denoise.inference.pipeline import (
    OnProgress,
    cleanup_on_error,
    with_stored_settings,
)
from napari_clip_denoise.inference.progress import CancelToken, ProgressCounter
from napari_clip_denoise.inference.result_check import ResultCheck
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.checkpoint import Model

THREADS_PER_WORKER = 2
"""One thread reads and writes while the other computes."""
WAITING_PER_THREAD = 3
POLL_SECONDS = 0.5
LOSSES_IN_A_ROW = 3
_preparing = threading.Lock()
_at_work: set[int] = set()
_ended: set[str] = set()


@dataclass(frozen=True, eq=False)
class Task:
    """Everything a worker needs apart from the region, sent to each worker once.

    Attributes
    ----------
    source : Opening or Stack
        The source, or how the worker opens it.
    model : Model
        The model, sent as a path if it was loaded from a complete model file.
    settings : DenoiseSettings
        Settings of the run.
    mapping : IntensityMapping
        Intensity mapping of the whole stack.
    pyramid : Pyramid
        Store that the regions are written to.
    run : str
        Unique identifier of the run.
    """

    source: Opening | Stack
    model: Model
    settings: DenoiseSettings
    mapping: IntensityMapping
    pyramid: Pyramid
    run: str


def run_on_cluster(
    job: Job,
    settings: DenoiseSettings,
    writer: Writer,
    client: Any,
    *,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    check: ResultCheck | None = None,
) -> None:
    """Denoise all regions that a writer is still missing on the workers of a cluster.

    If a worker is lost, only the regions it was working on are repeated by other workers. The run
    also continues if all workers are lost at once and restarted.

    Parameters
    ----------
    job : Job
        Job as in a local run; the results are identical byte for byte.
    settings : DenoiseSettings
        Settings that `job` was prepared with.
    writer : Writer
        Writer of an OME-Zarr store that all workers reach under the same path.
    client : distributed.Client
        Client of the cluster; its workers must reach the source and the model under the same paths.
    progress, cancel :
        See `denoise`.
    check : ResultCheck, optional
        Check of the result, which this process reads again.

    Raises
    ------
    DeviceError
        If workers are lost repeatedly.
    Cancelled
        If `cancel` was cancelled.
    """
    from distributed import CancelledError, KilledWorker, wait

    assert isinstance(writer, OmeZarrWriter)
    stack, job = job.stack, with_stored_settings(job, writer)
    task = Task(
        source=stack.opening or stack,
        model=job.runner.model,
        settings=settings.model_copy(update=_resolved(job)),
        mapping=job.mapping,
        pyramid=writer.pyramid,
        run=uuid4().hex,
    )
    total = sum(planes_in(job, region) for region in writer.regions())
    todo = [region for region in writer.regions() if not writer.has(region)]
    before = total - sum(planes_in(job, region) for region in todo)
    counter = ProgressCounter(total, progress, before)
    with cleanup_on_error(writer):
        shared = client.scatter(task, broadcast=True, hash=False)
        waiting = deque(todo)
        pending: dict[Any, Region] = {}
        losses = 0
        try:
            while True:
                room = WAITING_PER_THREAD * max(1, sum(client.nthreads().values())) - len(pending)
                for _ in range(min(room, len(waiting))):
                    region = waiting.popleft()
                    future = client.submit(_denoise_and_store, shared, region, pure=False)
                    pending[future] = region
                if not pending:
                    writer.finish(check)
                    return
                with suppress(TimeoutError, CancelledError):
                    wait(list(pending), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
                for future in [future for future in pending if future.done()]:
                    region = pending.pop(future)
                    try:
                        region, checksum = future.result()
                    except CancelledError:
                        waiting.append(region)
                        continue
                    except KilledWorker as error:
                        raise _lost_again(writer.path) from error
                    losses = 0
                    writer.note(region, checksum)
                    counter.advance(planes_in(job, region))
                if shared.status != "finished":
                    losses += 1
                    if losses > LOSSES_IN_A_ROW:
                        raise _lost_again(writer.path)
                    shared = client.scatter(task, broadcast=True, hash=False)
                if cancel is not None:
                    cancel.check()
        finally:
            if pending:
                client.cancel(list(pending))
                client.run(_end, task.run, on_error="ignore")


@contextmanager
def local_client(n_workers: int) -> Iterator[Any]:
    """Start workers on this machine, with one GPU each if there are GPUs."""
    from distributed import Client, Nanny, Scheduler, SpecCluster

    n_gpus = torch.cuda.device_count()

    def worker(number: int) -> dict[str, Any]:
        env = {"CUDA_VISIBLE_DEVICES": str(number % n_gpus)} if n_gpus else {}
        options = {"nthreads": THREADS_PER_WORKER, "env": env, "memory_limit": 0}
        return {"cls": Nanny, "options": options}

    scheduler = {"cls": Scheduler, "options": {"dashboard": False, "dashboard_address": ":0"}}
    workers = {number: worker(number) for number in range(n_workers)}
    with SpecCluster(workers, scheduler) as cluster, Client(cluster) as client:
        yield client


@contextmanager
def cluster_client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """Start local workers or connect to a scheduler; yield None if neither is requested.

    Parameters
    ----------
    workers : int or None
        Number of local workers.
    scheduler : str or None
        Address of a running scheduler.

    Yields
    ------
    distributed.Client or None
        The client.

    Raises
    ------
    InputError
        If both are given, dask.distributed is missing, or the scheduler cannot be reached.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and scheduler is not None:
        raise InputError("Give either --workers or --scheduler, not both.")
    if find_spec("distributed") is None:
        raise InputError(
            "Workers need dask.distributed, which is not installed; run: "
            "pip install 'napari-clip-denoise[cluster]'."
        )
    if workers is not None:
        with local_client(workers) as client:
            yield client
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout="20s")
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no dask scheduler at {scheduler}; start one with: dask scheduler."
        ) from error
    with client:
        yield client


def _lost_again(path: Path | str) -> DeviceError:
    return DeviceError(
        f"The workers that write {path} are lost again and again, perhaps for lack of memory; "
        "give them more memory, or a smaller batch or tile, and run it again: it goes on where it "
        "stopped."
    )


def _denoise_and_store(task: Task, region: Region) -> tuple[Region, Checksum]:
    thread = threading.get_ident()
    _at_work.add(thread)
    try:
        if task.run in _ended:
            return region, (0, 0)
        job = _job(task)
        return region, task.pyramid.write(region, denoise_within_memory(job, region))
    finally:
        _at_work.discard(thread)


async def _end(run: str) -> None:
    """Start no more regions of a run on this worker, and wait for the current ones."""
    _ended.add(run)
    while _at_work:
        await asyncio.sleep(POLL_SECONDS)


def _job(task: Task) -> Job:
    with _preparing:
        return _prepare_once(task)


@lru_cache(maxsize=1)
def _prepare_once(task: Task) -> Job:
    stack = task.source if isinstance(task.source, Stack) else open_again(task.source)
    return prepare(stack, task.model, task.settings, mapping=task.mapping)


def _resolved(job: Job) -> dict[str, Any]:
    """Return the settings that each worker would otherwise choose on its own."""
    return {
        "device": job.runner.device.type,
        "precision": str(job.runner.precision).removeprefix("torch."),
        "tile": job.tile,
        "batch": job.batch,
        "threads": job.runner.threads,
    }
