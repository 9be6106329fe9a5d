"""Handling of low device memory: smaller batches and tiles first, then the CPU."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from napari_clip_denoise.errors import OutOfDeviceMemory
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.engine import get_runner
from napari_clip_denoise.inference.engine.job import Job, tile_grid
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.engine.tiling import half_tile
from napari_clip_denoise.inference.progress import Notify

T = TypeVar("T")


def within_memory(
    job: Job, attempt: Callable[[Job], T], notify: Notify | None = None
) -> tuple[Job, T]:
    """Call a function with a job, and with smaller jobs until one fits into memory.

    Parameters
    ----------
    job : Job
        The first job to try.
    attempt : callable
        Called with a job; raises `OutOfDeviceMemory` if the job does not fit.
    notify : callable, optional
        Called with a sentence describing each change; by default a warning is issued.

    Returns
    -------
    job : Job
        The job that fitted, to be used from then on.
    result : object
        The return value of `attempt`.

    Raises
    ------
    OutOfDeviceMemory
        If the smallest job does not fit.
    """
    while True:
        try:
            return job, attempt(job)
        except OutOfDeviceMemory as error:
            smaller = _smaller(job, error.tiles)
            if smaller is None:
                raise
            job, change = smaller
            (notify or warnings.warn)(f"{str(error).partition(';')[0]}; going on with {change}.")


def denoise_within_memory(job: Job, region: Region) -> np.ndarray:
    """Denoise a region with the largest batch and tiles that fit into memory."""
    return within_memory(job, lambda fitting: denoise_region(fitting, region))[1]


def _smaller(job: Job, tiles: int) -> tuple[Job, str] | None:
    """Halve the batch or else the tile, or move to the CPU; return None if nothing is left."""
    if tiles > 1:
        return replace(job, batch=tiles // 2), f"{tiles // 2} at a time"
    card = job.runner.card
    half = half_tile(job.tile, card)
    if half is not None:
        rows, columns = tile_grid(job.stack, card, half)
        return replace(job, rows=rows, columns=columns), f"tiles of {half} pixels"
    if job.runner.device.type == "cpu":
        return None
    runner = get_runner(job.runner.model, torch.device("cpu"), torch.float32, job.runner.threads)
    return replace(job, runner=runner), "the CPU"
