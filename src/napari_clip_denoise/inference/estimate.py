"""Estimate of the time, memory and disk space of a run before it starts.

The size of a run is known without torch, which is loaded only to time a few tiles.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import zarr

from napari_clip_denoise.errors import InputError, OutputError, door
from napari_clip_denoise.formats import region_shape
from napari_clip_denoise.formats.base import free_bytes
from napari_clip_denoise.formats.detect import as_place
from napari_clip_denoise.formatting import format_bytes, format_seconds
from napari_clip_denoise.images.regions import Region, count
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.inference.timing import Profile

if TYPE_CHECKING:
    from napari_clip_denoise.inference.engine.job import Job
    from napari_clip_denoise.models.checkpoint import Model

PYRAMID = 4 / 3
"""Total size of all pyramid levels as a multiple of the first."""
HELD = 2
"""Memory that the network takes of a CPU's as a multiple of what it needs; freed parts are held."""


@dataclass(frozen=True)
class RunSize:
    """Size of a run, as far as it is known without the network.

    Attributes
    ----------
    planes, regions : int
        Number of planes and of regions.
    result_bytes : int
        Uncompressed size of the result in bytes, including its pyramid if it has one.
    free_bytes : int
        Free space in bytes, on the disk of the result or in memory.
    """

    planes: int
    regions: int
    result_bytes: int
    free_bytes: int


def measure_size(stack: Stack, store: Path | None, output_dtype: str | None = None) -> RunSize:
    """Determine the size of a run.

    Parameters
    ----------
    stack : Stack
        The source.
    store : Path or None
        OME-Zarr store for the result; None keeps the result in memory.
    output_dtype : str, optional
        See `DenoiseSettings`.

    Returns
    -------
    RunSize
        Size of the run.

    Raises
    ------
    InputError, OutputError
        If the store cannot be created.
    """
    n_bytes = math.prod(stack.shape) * np.dtype(output_dtype or stack.dtype).itemsize
    if store is None:
        regions = count(stack.shape, stack.whole_planes())
        return RunSize(stack.n_planes, regions, n_bytes, psutil.virtual_memory().available)
    regions = count(stack.shape, region_shape(store, stack))
    return RunSize(stack.n_planes, regions, int(n_bytes * PYRAMID), free_bytes(store))


@dataclass(frozen=True)
class Plan:
    """Estimated resources of a run.

    Attributes
    ----------
    planes, regions : int
        Number of planes and of regions.
    tiles_per_plane, tile, batch : int
        Number of tiles per plane, the longer side of a tile in pixels, and the number of tiles
        per call of the network.
    host_bytes, host_free : int
        Host memory that the run needs at most, and that is free, both beside `program_bytes`.
    program_bytes : int
        Host memory that this process, with its libraries and the model, has without the run.
    device : str
        Device that the network runs on.
    device_bytes, device_free : int or None
        Memory that the run needs on a GPU, and that is free; None without a GPU.
    disk_bytes, disk_free : int, or int and None
        Disk space that the output needs, compressed like the timed tiles, and that is free; None
        behind a URL, where it is not known.
    seconds : float
        Estimated time in seconds, from timing a few tiles.
    """

    planes: int
    regions: int
    tiles_per_plane: int
    tile: int
    batch: int
    host_bytes: int
    host_free: int
    program_bytes: int
    device: str
    device_bytes: int | None
    device_free: int | None
    disk_bytes: int
    disk_free: int | None
    seconds: float

    def sentence(self) -> str:
        """Return the main figures in one line."""
        planes = "1 plane" if self.planes == 1 else f"{self.planes} planes"
        told = f"{planes}: about {format_seconds(max(1, self.seconds))} on {self.device}"
        told += f", {format_bytes(self.host_bytes)} of memory"
        if self.device_bytes is not None:
            told += f" and {format_bytes(self.device_bytes)} on the device"
        if self.disk_bytes and self.disk_free is not None:
            free = format_bytes(self.disk_free)
            told += f", {format_bytes(self.disk_bytes)} of {free} free on the disk"
        return f"{told}."

    def check(self) -> None:
        """Raise an error if the run cannot fit into memory or onto the disk.

        Raises
        ------
        OutputError, InputError
            If it does not fit; the message says what would.
        """
        if self.disk_free is not None and self.disk_bytes > self.disk_free:
            raise OutputError(
                f"The result takes about {format_bytes(self.disk_bytes)}, but only "
                f"{format_bytes(self.disk_free)} are free there; make room for "
                f"{format_bytes(self.disk_bytes - self.disk_free)} or choose another place."
            )
        if self.host_bytes > self.host_free:
            raise InputError(
                f"The run takes about {format_bytes(self.host_bytes)} of memory, but only "
                f"{format_bytes(self.host_free)} are free; save as .ome.zarr, which needs "
                f"less, or use a computer with {format_bytes(2 * self.host_bytes)}."
            )


@door
def make_plan(
    stack: Stack,
    path: str | Path | None,
    settings: DenoiseSettings,
    model: "Model",
    *,
    cancel: CancelToken | None = None,
) -> Plan:
    """Estimate the resources of a run by running a few tiles; nothing is written.

    Parameters
    ----------
    stack, path, settings, model :
        See `denoise_to_file`; without a path the result stays in memory.
    cancel : CancelToken, optional
        Token that stops the estimate; checked within the network, too.

    Returns
    -------
    Plan
        Estimated resources.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run would raise them.
    Cancelled
        If `cancel` was cancelled.
    """
    from napari_clip_denoise.inference.engine.backoff import within_memory
    from napari_clip_denoise.inference.engine.host_memory import largest_region, region_bytes
    from napari_clip_denoise.inference.engine.job import prepare
    from napari_clip_denoise.inference.engine.memory import free_memory
    from napari_clip_denoise.inference.pipeline import READERS, WRITERS

    path = None if path is None else as_place(path)
    job = prepare(stack, model, settings)
    program_bytes = psutil.Process().memory_info().rss
    shape = stack.whole_planes() if path is None else region_shape(path, stack)
    free = _free_bytes(path)
    job, (seconds, block) = within_memory(job, lambda smaller: _time(smaller, shape, cancel))
    n_bytes = math.prod(stack.shape) * job.dtype.itemsize
    on_cuda = job.runner.device.type == "cuda"
    region = largest_region(stack, shape)
    network_bytes = _network_bytes(job, region)
    n_regions = count(stack.shape, shape)
    host_bytes = region_bytes(job, region).of_run(n_regions, READERS, WRITERS)
    host_bytes += 0 if on_cuda else HELD * network_bytes
    disk_bytes = n_bytes
    if path is None:
        disk_bytes, host_bytes = 0, host_bytes + n_bytes
    elif Path(path).suffix.lower() == ".zarr":
        disk_bytes = int(n_bytes * PYRAMID * _compression(block))
    return Plan(
        planes=stack.n_planes,
        regions=n_regions,
        tiles_per_plane=len(job.rows) * len(job.columns),
        tile=job.tile,
        batch=job.batch,
        host_bytes=host_bytes,
        host_free=psutil.virtual_memory().available,
        program_bytes=program_bytes,
        device=str(job.runner.device),
        device_bytes=network_bytes if on_cuda else None,
        device_free=free_memory(job.runner.device) if on_cuda else None,
        disk_bytes=disk_bytes,
        disk_free=free,
        seconds=seconds,
    )


def _free_bytes(path: Path | str | None) -> int | None:
    if path is None:
        return 0
    return None if isinstance(path, str) else free_bytes(path)


def _time(
    job: "Job", shape: tuple[int, ...], cancel: CancelToken | None
) -> tuple[float, np.ndarray]:
    """Time a batch from the middle of the stack and scale it up to the whole stack."""
    from napari_clip_denoise.inference.engine.neighbours.average import count_guides
    from napari_clip_denoise.inference.engine.region import denoise_region, source_window
    from napari_clip_denoise.inference.pipeline import WRITERS

    region = _sample(job, shape)
    denoise_region(job, region, cancel=cancel)
    job.guides.clear()
    profile = Profile()
    block = denoise_region(job, region, cancel=cancel, profile=profile)
    device = profile.of("device")
    host = sum(map(profile.of, ("read", "map", "unmap")))
    both = device + host if job.runner.device.type == "cpu" else max(device, host / WRITERS)
    n_planes = math.prod(part.stop - part.start for part in region[: len(job.stack.leading_shape)])
    tiles = source_window(job, region)[1]
    n_tiles = len(tiles)
    if job.context:
        both *= 2 * n_planes * n_tiles / (n_planes * n_tiles + count_guides(job, region, tiles))
    return both * job.stack.n_planes * len(job.rows) * len(job.columns) / (
        n_planes * n_tiles
    ), block


def _sample(job: "Job", shape: tuple[int, ...]) -> Region:
    """Return a batch of planes, or a piece of a large plane, from the middle of the stack."""
    stack = job.stack
    leading = [slice(size // 2, size // 2 + 1) for size in stack.leading_shape]
    if leading:
        depth = stack.leading_shape[-1]
        n_planes = min(depth, max(1, job.batch // (len(job.rows) * len(job.columns))))
        start = (depth - n_planes) // 2
        leading[-1] = slice(start, start + n_planes)
    sides = zip(job.tile_shape, shape[len(leading) :], stack.plane_shape, strict=False)
    samples = [slice(0, size) for size in stack.shape[len(leading) + 2 :]]
    return (*leading, *(slice(0, min(side)) for side in sides), *samples)


def _network_bytes(job: "Job", region: Region) -> int:
    """Return the memory of a batch in the network, by the model that also chose the batch size."""
    from napari_clip_denoise.inference.engine.region import source_window

    memory = job.runner.memory
    n_planes = math.prod(part.stop - part.start for part in region[: len(job.stack.leading_shape)])
    images = 3 if job.stack.is_rgb else 1
    n_tiles = images * n_planes * len(source_window(job, region)[1])
    pixels = min(job.batch, n_tiles) * math.prod(job.tile_shape)
    return 0 if memory is None else memory.n_bytes(pixels)


def _compression(block: np.ndarray) -> float:
    """Return the compressed size of a piece of the result as a fraction of its raw size."""
    stored = zarr.create_array({}, data=block, chunks=block.shape)
    return min(1.0, stored.nbytes_stored() / block.nbytes)
