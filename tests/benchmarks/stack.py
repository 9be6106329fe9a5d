"""How close a whole run comes to the disk and to the bare network, on the user's machine."""

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout
from napari_clip_denoise.images.regions import split
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.engine import Pending, Runner
from napari_clip_denoise.inference.engine.job import Job, prepare
from napari_clip_denoise.inference.engine.region import (
    predict_region,
    read_region,
    source_window,
)
from napari_clip_denoise.inference.pipeline import run_to_writer
from napari_clip_denoise.inference.provenance import open_writer
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.inference.timing import Profile, Stage, peak_memory, with_memory
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@dataclass(frozen=True)
class StackBench:
    """Seconds for the same stack, uint16 from zarr to OME-Zarr.

    Attributes
    ----------
    planes, side : int
        Of the stack.
    device, precision : str
        Where and how the network ran.
    copy : float
        A plain copy, region by region, without a pyramid.
    idle : float
        A run whose network gives its input back: all but the network.
    bare : float
        The network alone, on batches that are in memory already.
    run : float
        The whole run.
    stages : list of Stage
        How busy each stage of the whole run was.
    stage_bytes : dict of str to int
        What the process grew by at most in each stage, one region on its own. Memory that an
        earlier stage gave back may be used again, so it is at least that.
    peak_bytes : int
        Most memory of the process, over what it had before the runs.
    """

    planes: int
    side: int
    device: str
    precision: str
    copy: float
    idle: float
    bare: float
    run: float
    stages: list[Stage]
    stage_bytes: dict[str, int]
    peak_bytes: int

    @property
    def planes_per_second(self) -> float:
        """Speed of the whole run."""
        return self.planes / self.run

    @property
    def megabytes_per_second(self) -> float:
        """Raw bytes of the source that the whole run takes in."""
        return self.planes * self.side**2 * 2 / self.run / 1e6

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the ratios."""
        return asdict(self) | {
            "planes_per_second": self.planes_per_second,
            "megabytes_per_second": self.megabytes_per_second,
            "idle_speed_of_copy": self.copy / self.idle,
            "run_times_bare": self.run / self.bare,
        }


class _Idle(Runner):
    """A network that gives its input back."""

    def start(self, batch: np.ndarray, cancel: object = None, **options: object) -> Pending:
        return _Given(batch)


class _Given(Pending):
    """A result that is there."""

    def __init__(self, values: np.ndarray):
        self._given = values

    def result(self) -> np.ndarray:
        return self._given


def bench_stack(
    model: Model, settings: DenoiseSettings, folder: Path, *, planes: int = 64, side: int = 512
) -> StackBench:
    """Time a run and its parts, one after the other.

    Parameters
    ----------
    model, settings :
        As for a run.
    folder : Path
        For a stack of ``2 * planes * side**2`` bytes and two copies of it.
    planes, side : int
        Size of the stack.
    """
    stack = _simulate(folder / "noisy.zarr", planes, side)
    job = prepare(stack, model, settings)
    idle = replace(job, runner=_Idle(model, job.runner.device, job.runner.precision))
    stage_bytes = _stage_bytes(job, settings, folder / "one.ome.zarr")
    before = peak_memory()
    copy_seconds = _copy(stack, folder / "copy.zarr")
    idle_seconds, _ = _run(idle, settings, folder / "idle.ome.zarr")
    bare_seconds = _bare(job)
    run_seconds, profile = _run(job, settings, folder / "run.ome.zarr")
    return StackBench(
        planes=planes,
        side=side,
        device=str(job.runner.device),
        precision=str(job.runner.precision).removeprefix("torch."),
        copy=copy_seconds,
        idle=idle_seconds,
        bare=bare_seconds,
        run=run_seconds,
        stages=profile.stages(),
        stage_bytes=stage_bytes,
        peak_bytes=peak_memory() - before,
    )


def _simulate(path: Path, planes: int, side: int) -> Stack:
    """Repeat a simulated stack of eight noisy planes."""
    noisy = acquire(fluorescence((min(planes, 8), side, side), seed=0), seed=0).noisy
    chunks = (1, side, side)
    array: Any = zarr.create_array(
        path, shape=(planes, side, side), chunks=chunks, dtype=noisy.dtype
    )
    for plane in range(planes):
        array[plane] = noisy[plane % len(noisy)]
    return open_stack(path, "zyx")


def _copy(stack: Stack, path: Path) -> float:
    layout = StoreLayout.of(stack)
    started = time.perf_counter()
    target: Any = zarr.create_array(
        path, shape=stack.shape, chunks=layout.chunks, shards=layout.region, dtype=stack.dtype
    )
    for region in split(stack.shape, layout.region):
        target[region] = stack.read(region)
    return time.perf_counter() - started


def _run(job: Job, settings: DenoiseSettings, path: Path) -> tuple[float, Profile]:
    started = time.perf_counter()
    profile = Profile()
    run_to_writer(job, open_writer(job, settings, path), profile=profile)
    return time.perf_counter() - started, profile


def _stage_bytes(job: Job, settings: DenoiseSettings, path: Path) -> dict[str, int]:
    """Do the first region stage by stage, each while nothing else is done."""
    writer = open_writer(job, settings, path)
    region = next(writer.regions())
    index, _ = source_window(job, region)
    grown = {}
    values, grown["read"] = with_memory(lambda: job.stack.read(index))
    given, grown["map"] = with_memory(lambda: read_region(job, region, values=values))
    prediction, grown["device"] = with_memory(lambda: predict_region(job, region, given=given))
    block, grown["unmap"] = with_memory(prediction.result)
    _, grown["write"] = with_memory(lambda: writer.write(region, block))
    writer.abort()
    return grown


def _bare(job: Job) -> float:
    """Run the network on one batch in memory as often as the stack takes."""
    channels = job.runner.card.network.channels
    batch = np.random.default_rng(0).random((job.batch, channels, *job.tile_shape), np.float32)
    tiles = job.stack.n_planes * len(job.rows) * len(job.columns)
    job.runner(batch)
    started = time.perf_counter()
    for _ in range(math.ceil(tiles / job.batch)):
        job.runner(batch[: min(job.batch, tiles)])
        tiles -= job.batch
    return time.perf_counter() - started
