"""What to do when a device has too little memory: less at a time, then another device."""

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
    """Attempt something with a job, and with smaller ones until it fits.

    Parameters
    ----------
    job : Job
        To begin with.
    attempt : callable
        Raises `OutOfDeviceMemory` where a job does not fit.
    notify : callable, optional
        Told in a sentence what is changed; by default it is a warning.

    Returns
    -------
    Job
        The one that fitted, to go on with.
    object
        What the attempt gave.

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
    """Denoise a region with as much at a time as fits."""
    return within_memory(job, lambda fitting: denoise_region(fitting, region))[1]


def _smaller(job: Job, tiles: int) -> tuple[Job, str] | None:
    """Halve a batch of `tiles`, else the tile, else move to the CPU; None if nothing is left."""
    if tiles > 1:
        return replace(job, batch=tiles // 2), f"{tiles // 2} at a time"
    card = job.runner.card
    half = half_tile(job.tile, card.halo)
    if half is not None:
        rows, columns = tile_grid(job.stack, card, half)
        return replace(job, rows=rows, columns=columns), f"tiles of {half} pixels"
    if job.runner.device.type == "cpu":
        return None
    runner = get_runner(job.runner.model, torch.device("cpu"), torch.float32, job.runner.threads)
    return replace(job, runner=runner), "the CPU"
