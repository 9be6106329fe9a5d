"""Estimate of what a run on a plate takes."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

from napari_clip_denoise.formats import region_shape
from napari_clip_denoise.images.regions import count
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.estimate import Plan, make_plan
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.checkpoint import Model


def make_plate_plan(
    fields: Sequence[Stack], path: Path | str, settings: DenoiseSettings, model: Model
) -> Plan:
    """Estimate the resources of a run on a plate by timing a few tiles of the field in its middle.

    Parameters
    ----------
    fields : sequence of Stack
        All fields.
    path, settings, model :
        See `make_plan`.

    Returns
    -------
    Plan
        Its planes, regions, disk space and time are those of all fields, without labels and tables.
    """
    middle = fields[len(fields) // 2]
    plan = make_plan(middle, path, settings, model)
    pixels = [prod(field.shape) for field in fields]
    times = sum(pixels) / prod(middle.shape)
    return replace(
        plan,
        planes=sum(field.n_planes for field in fields),
        regions=sum(count(field.shape, region_shape(path, field)) for field in fields),
        disk_bytes=int(times * plan.disk_bytes),
        seconds=times * plan.seconds,
    )
