"""Pipeline of regions: some are read and some written while one is on the device.

The memory is limited by the number of regions in flight, not by their total number.
"""

import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, OutputError
from napari_clip_denoise.formats.base import Writer
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.backoff import within_memory
from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.job import Job, tile_grid
from napari_clip_denoise.inference.engine.prediction import Prediction, RegionInput
from napari_clip_denoise.inference.engine.region import planes_in, predict_region, read_region
from napari_clip_denoise.inference.progress import CancelToken, Notify, Progress, ProgressCounter
from napari_clip_denoise.inference.result_check import ResultCheck
from napari_clip_denoise.inference.timing import Profile

READERS = 2
WRITERS = 2
THREADS = {"read": READERS, "map": READERS, "unmap": WRITERS, "check": WRITERS, "write": WRITERS}
REGIONS_IN_FLIGHT = READERS + 1 + 1 + WRITERS
"""Maximum number of regions that are read ahead, on the device, or being written."""

OnProgress = Callable[[Progress], None]
See = Callable[[Region, np.ndarray, np.ndarray], object]
T = TypeVar("T")
R = TypeVar("R")


def run(
    job: Job,
    regions: Iterable[Region],
    write: Callable[[Region, np.ndarray], object],
    *,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    total_planes: float | None = None,
    planes_before: float = 0.0,
    notify: Notify | None = None,
    profile: Profile | None = None,
    see: See | None = None,
) -> None:
    """Denoise regions on one device while others are read and written.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    regions : iterable of tuple of slice
        Regions to denoise, taken one at a time.
    write : callable
        Called with each region and its result, from several threads. The result array is reused
        after the call.
    progress, cancel :
        See `denoise`.
    total_planes : float, optional
        Total number of planes for `progress`; by default that of the source.
    planes_before : float
        Number of planes finished by an earlier run.
    notify : callable, optional
        Called with a sentence if device memory is too low, saying what is changed. By default a
        warning is issued, which napari shows.
    profile : Profile, optional
        Records the time spent in each stage.
    see : callable, optional
        Called with each region and its pixels before and after, which are reused after the call.

    Raises
    ------
    Cancelled
        If `cancel` was cancelled.
    """
    counter = ProgressCounter(total_planes or job.stack.n_planes, progress, planes_before)
    profile = profile or Profile()
    profile.threads.update(THREADS)
    stages = _Stages(job, write, counter, profile, cancel, see)
    with (
        ThreadPoolExecutor(READERS) as readers,
        ThreadPoolExecutor(WRITERS) as writers,
        closing(_prefetch(readers, partial(stages.read, job), regions)) as inputs,
    ):
        writes: deque[Future[None]] = deque()
        for region, given in inputs:
            attempt = partial(stages.predict, region, given)
            job, prediction = within_memory(job, attempt, notify)
            stages.buffers.release(prediction.given.window.images)
            while len(writes) >= WRITERS:
                writes.popleft().result()
            writes.append(writers.submit(stages.finish, prediction))
            del attempt, given, prediction
        for pending in writes:
            pending.result()
    if words := _hot_in_words(stages.n_hot, job.hot_pixels):
        (notify or warnings.warn)(words)


def _hot_in_words(count: int, choice: str) -> str:
    if not count:
        return ""
    subject = "1 hot or dead pixel was" if count == 1 else f"{count} hot or dead pixels were"
    if choice == "replace":
        return f"{subject} replaced from the neighbours."
    return f"{subject} kept; choose 'replace' for hot pixels to remove such pixels."


class _Stages:
    """Stages of a run, each of which works on a different region at the same time."""

    def __init__(
        self,
        first_job: Job,
        write: Callable[[Region, np.ndarray], object],
        counter: ProgressCounter,
        profile: Profile,
        cancel: CancelToken | None,
        see: See | None,
    ):
        self._first_job = first_job
        self._write = write
        self._counter = counter
        self._profile = profile
        self._cancel = cancel
        self._see = see
        self.buffers = BufferPool()
        self.n_hot = 0

    def read(self, job: Job, region: Region) -> RegionInput:
        """Read a region ahead of the device and map it to the network's scale."""
        return read_region(job, region, buffers=self.buffers, profile=self._profile)

    def predict(self, region: Region, given: RegionInput, job: Job) -> Prediction:
        """Run the network; read the region again if the job's tiles have changed.

        Parameters
        ----------
        region : tuple of slice
            The region.
        given : RegionInput
            Input returned by `read`.
        job : Job
            The current job.

        Returns
        -------
        Prediction
            The network's change, and the input that was used.
        """
        if job is not self._first_job:
            given = self.read(job, region)
        with self._counter.attempt() as advance:
            return predict_region(
                job,
                region,
                given=given,
                cancel=self._cancel,
                on_planes=advance,
                buffers=self.buffers,
                profile=self._profile,
            )

    def finish(self, prediction: Prediction) -> None:
        """Write the denoised region and release its memory."""
        self.n_hot += prediction.n_hot
        block = prediction.result(buffers=self.buffers, profile=self._profile)
        self.buffers.release(prediction.change)
        if self._see is not None:
            with self._profile.stage("check"):
                self._see(prediction.region, prediction.noisy, block)
        self.buffers.release(prediction.given.values)
        with self._profile.stage("write"):
            self._write(prediction.region, block)
        self.buffers.release(block)


def run_to_writer(
    job: Job,
    writer: Writer,
    *,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
    profile: Profile | None = None,
    check: ResultCheck | None = None,
) -> None:
    """Denoise all regions that a writer is still missing, and complete its output.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    writer : Writer
        Writer of the result.
    progress, cancel, notify, profile :
        See `run`.
    check : ResultCheck, optional
        Check of the result.

    Raises
    ------
    Cancelled
        If `cancel` was cancelled.
    """
    job = with_stored_settings(job, writer)
    with cleanup_on_error(writer):
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
            see=check.see if check else None,
        )
        writer.finish(check)


def with_stored_settings(job: Job, writer: Writer) -> Job:
    """Return the job with the tiles, batch and threads of the run that created the output."""
    begun = writer.fingerprint
    if "tile" in begun:
        rows, columns = tile_grid(job.stack, job.runner.card, max(begun["tile"]))
        job = replace(job, rows=rows, columns=columns, batch=begun["batch"])
    threads = begun.get("threads", job.runner.threads)
    if threads == job.runner.threads:
        return job
    return replace(job, runner=job.runner.with_threads(threads))


@contextmanager
def cleanup_on_error(writer: Writer) -> Iterator[None]:
    """Leave an output in a valid state if an error occurs within the context.

    A cancelled run removes everything it wrote. A run that fails for another reason, such as a
    full disk, keeps what a later run can resume from.
    """
    try:
        yield
    except (Cancelled, KeyboardInterrupt):
        writer.abort()
        raise
    except OSError as error:
        writer.pause()
        if isinstance(error, ClipDenoiseError) or writer.path is None:
            raise
        again = "run it again, it goes on where it stopped" if writer.can_resume else "run it again"
        raise OutputError(
            f"{writer.path} could not be written: {error.strerror or error}; make room and "
            f"{again}, or choose another place."
        ) from error
    except BaseException:
        writer.pause()
        raise


def _prefetch(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]
) -> Generator[tuple[T, R], None, None]:
    """Process items in a pool and yield the results in order, `READERS` items ahead."""
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
