"""Many regions at once: some are read, one is on the device, some are written.

Memory is bounded by the regions in flight, whatever their number.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, OutputError
from napari_clip_denoise.formats.base import Writer
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.backoff import within_memory
from napari_clip_denoise.inference.engine.buffers import Scratch
from napari_clip_denoise.inference.engine.job import Job, tile_grid
from napari_clip_denoise.inference.engine.region import (
    Box,
    apply,
    box_index,
    correct,
    make_box,
    planes_in,
)
from napari_clip_denoise.inference.progress import CancelToken, Notify, Progress, ProgressCounter
from napari_clip_denoise.inference.timing import Profile

READERS = 2
WRITERS = 2
REGIONS_IN_FLIGHT = READERS + 1 + 1 + WRITERS
"""Read ahead, on the device, being written."""

Report = Callable[[Progress], None]
T = TypeVar("T")
R = TypeVar("R")


def run(
    job: Job,
    regions: Iterable[Region],
    write: Callable[[Region, np.ndarray], object],
    *,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
    total_planes: float | None = None,
    planes_before: float = 0.0,
    notify: Notify | None = None,
    profile: Profile | None = None,
) -> None:
    """Denoise regions on one device while others are read and written.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    regions : iterable of tuple of slice
        What to denoise; taken one by one.
    write : callable
        Gets each region and its result, from several threads. The result is overwritten after.
    progress, cancel :
        See `denoise`.
    total_planes : float, optional
        Planes that make up the whole for `progress`; by default those of the source.
    planes_before : float
        How many of them were finished by an earlier run.
    notify : callable, optional
        Told in a sentence if the device has too little memory and what is done about it; by
        default it is a warning, which napari shows.
    profile : Profile, optional
        Counts where the time goes.
    """
    counter = ProgressCounter(total_planes or job.stack.n_planes, progress, planes_before)
    profile = profile or Profile()
    scratch = Scratch()

    def read(region: Region, job: Job) -> Box:
        index, tiles = box_index(job, region)
        with profile.stage("read", READERS):
            values = job.stack.read(index, scratch.lend)
        with profile.stage("map", READERS):
            return make_box(job, region, values, tiles, scratch)

    def finish(job: Job, region: Region, box: Box, change: np.ndarray) -> None:
        with profile.stage("unmap", WRITERS):
            block = apply(job, region, box, change, scratch)
            scratch.take_back(change)
            scratch.take_back(box.values)
        with profile.stage("write", WRITERS):
            write(region, block)
            scratch.take_back(block)

    began_with = job
    with (
        ThreadPoolExecutor(READERS) as readers,
        ThreadPoolExecutor(WRITERS) as writers,
        closing(_ahead(readers, lambda region: read(region, began_with), regions)) as boxes,
    ):
        writes: deque[Future[None]] = deque()
        for region, box in boxes:

            def attempt(
                job: Job, region: Region = region, box: Box = box
            ) -> tuple[Box, np.ndarray]:
                if job is not began_with:
                    box = read(region, job)
                with profile.stage("device"), counter.attempt() as advance:
                    return box, correct(
                        job, region, box, cancel=cancel, advance=advance, scratch=scratch
                    )

            job, (box, change) = within_memory(job, attempt, notify)
            scratch.take_back(box.inputs)
            while len(writes) >= WRITERS:
                writes.popleft().result()
            writes.append(writers.submit(finish, job, region, box, change))
            del attempt, box, change
        for pending in writes:
            pending.result()


def run_to_writer(
    job: Job,
    writer: Writer,
    *,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
    profile: Profile | None = None,
) -> Path:
    """Run all that a writer has not got yet, and finish it."""
    job = as_begun(job, writer)
    with ending_well(writer):
        total = before = 0.0
        for region in writer.regions():
            planes = planes_in(job, region)
            total += planes
            before += planes * writer.has(region)
        run(
            job,
            (region for region in writer.regions() if not writer.has(region)),
            writer.write,
            progress=progress,
            cancel=cancel,
            total_planes=total,
            planes_before=before,
            notify=notify,
            profile=profile,
        )
        return writer.finish()


def as_begun(job: Job, writer: Writer) -> Job:
    """Compute with the tiles, batch and threads of the run that began an output."""
    begun = writer.fingerprint
    if "tile" in begun:
        rows, columns = tile_grid(job.stack, job.runner.card, max(begun["tile"]))
        job = replace(job, rows=rows, columns=columns, batch=begun["batch"])
    threads = begun.get("threads", job.runner.threads)
    if threads == job.runner.threads:
        return job
    return replace(job, runner=job.runner.with_threads(threads))


@contextmanager
def ending_well(writer: Writer) -> Iterator[None]:
    """Leave an output in order, whatever happens inside.

    A cancelled run removes what it wrote. One that fails for another reason, such as a full
    disk, keeps what a later run can resume.
    """
    try:
        yield
    except (Cancelled, KeyboardInterrupt):
        writer.abort()
        raise
    except OSError as error:
        writer.pause()
        if isinstance(error, ClipDenoiseError):
            raise
        again = "run it again, it goes on where it stopped" if writer.can_resume else "run it again"
        raise OutputError(
            f"{writer.path} could not be written: {error.strerror or error}; make room and "
            f"{again}, or choose another place."
        ) from error
    except BaseException:
        writer.pause()
        raise


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]
) -> Generator[tuple[T, R], None, None]:
    """Do work on items in a pool and give the results in order, `READERS` of them ahead."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > READERS:
                item, future = waiting.popleft()
                yield item, future.result()
                del future
        while waiting:
            item, future = waiting.popleft()
            yield item, future.result()
            del future
    finally:
        for _, future in waiting:
            future.cancel()
