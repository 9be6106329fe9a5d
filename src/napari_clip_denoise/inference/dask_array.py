"""Lazy denoising of dask arrays, with the same regions as a run as tasks of a dask graph."""

from dataclasses import replace
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import torch
from dask import delayed
from dask.delayed import Delayed

from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.lines import Lines
from napari_clip_denoise.images.regions import Region, split, whole
from napari_clip_denoise.images.stack import Stack, as_stack
from napari_clip_denoise.inference.engine.backoff import denoise_within_memory
from napari_clip_denoise.inference.engine.job import Job, mapping_for, prepare
from napari_clip_denoise.inference.engine.measured.drift import Drift, middle
from napari_clip_denoise.inference.engine.measured.lines import PlaneLines
from napari_clip_denoise.inference.engine.region import denoise_region, source_window
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.runs import warn_if_clipped
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.checkpoint import Model

WHOLE_PLANE_PIXELS = 2**26
BLOCK_SIDE = 4096

Padding = tuple[float, float] | None
Position = tuple[int, ...]


def denoise_lazily(stack: Stack, model: Model, settings: DenoiseSettings) -> da.Array:
    """Return a lazily denoised stack, whose planes are computed on demand.

    Parameters
    ----------
    stack : Stack
        The source, whose array is a dask array.
    model : Model
        The model. It is not copied into the graph if it was loaded from a file.
    settings : DenoiseSettings
        Settings of the run. The intensity mapping is estimated immediately, from a sample of
        bounded size.

    Returns
    -------
    dask.array.Array
        The denoised stack, of the same shape. Each chunk holds whole planes, or pieces of planes
        with more than 67 megapixels.
    """
    if settings.threads is None:
        settings = settings.model_copy(update={"threads": torch.get_num_threads()})
    dtype = result_dtype(stack, settings.output_dtype)
    mapping = mapping_for(stack, model.card, settings)
    warn_if_clipped(stack, model.card, mapping)
    if stack.plane_shape[0] * stack.plane_shape[1] > WHOLE_PLANE_PIXELS:
        samples = stack.shape[len(stack.leading_shape) + 2 :]
        piece = (*(1,) * len(stack.leading_shape), BLOCK_SIDE, BLOCK_SIDE, *samples)
        return _by_pieces(stack, model, settings, mapping, piece)
    if settings.context:
        return _by_pieces(stack, model, settings, mapping, stack.whole_planes())
    n_leading = len(stack.leading_shape)
    planes = stack.array.rechunk(dict.fromkeys(range(n_leading, stack.ndim), -1))
    return da.map_blocks(
        _denoise_planes,
        planes,
        dtype=dtype,
        meta=np.empty((0,) * stack.ndim, dtype),
        axes=stack.axes,
        padding=stack.padding,
        model=model,
        settings=settings,
        mapping=mapping,
    )


def _denoise_planes(
    block: np.ndarray,
    axes: str,
    padding: Padding,
    model: Model,
    settings: DenoiseSettings,
    mapping: IntensityMapping,
    block_info: dict[Any, Any],
) -> np.ndarray:
    where = axes.find("c")
    if where >= 0:
        mapping = mapping.part(*block_info[0]["array-location"][where])
    part = replace(as_stack(block, axes), padding=padding)
    job = prepare(part, model, settings, mapping=mapping)
    return denoise_within_memory(job, whole(block.shape))


def _by_pieces(
    stack: Stack,
    model: Model,
    settings: DenoiseSettings,
    mapping: IntensityMapping,
    piece: tuple[int, ...],
) -> da.Array:
    job = prepare(stack, model, settings, mapping=mapping)
    counts = [-(-size // step) for size, step in zip(stack.shape, piece, strict=True)]
    blocks = np.empty(counts, object)
    lines = _lines_of_planes(stack, settings)
    for position, region in zip(np.ndindex(*counts), split(stack.shape, piece), strict=True):
        index, _ = source_window(job, region)
        leading = index[: len(stack.leading_shape)]
        places = list(product(*(range(part.start, part.stop) for part in leading)))
        task = delayed(_denoise_piece, pure=True)(
            stack.array[index],
            stack.array[*leading, *middle(stack.plane_shape)] if job.drift else None,
            [lines[place] for place in places] if lines else None,
            places,
            stack.shape,
            stack.axes,
            stack.padding,
            region,
            model,
            settings,
            mapping,
        )
        shape = tuple(part.stop - part.start for part in region)
        blocks[position] = da.from_delayed(task, shape, job.dtype)
    return da.block(blocks.tolist())


def _lines_of_planes(stack: Stack, settings: DenoiseSettings) -> dict[Position, Delayed]:
    """Return a task for each plane that measures the offsets of its lines, if they are removed."""
    if settings.destripe == "off":
        return {}
    n_leading = len(stack.leading_shape)
    planes = split(stack.shape, (*(1,) * n_leading, *stack.shape[n_leading:]))
    measure = delayed(_measure_lines, pure=True)
    return {
        tuple(part.start for part in plane[:n_leading]): measure(
            stack.array[plane], stack.axes, stack.padding, settings.destripe
        )
        for plane in planes
    }


def _measure_lines(plane: np.ndarray, axes: str, padding: Padding, lines: Lines) -> np.ndarray:
    part = replace(as_stack(plane, axes), padding=padding)
    return PlaneLines(part, lines).within(whole(plane.shape))[0]


def _denoise_piece(
    values: np.ndarray,
    middles: np.ndarray | None,
    lines: list[np.ndarray] | None,
    places: list[Position],
    shape: tuple[int, ...],
    axes: str,
    padding: Padding,
    region: Region,
    model: Model,
    settings: DenoiseSettings,
    mapping: IntensityMapping,
) -> np.ndarray:
    unread = np.broadcast_to(np.zeros((), values.dtype), shape)
    stack = replace(as_stack(unread, axes), padding=padding)
    job = prepare(stack, model, settings, mapping=mapping)
    if lines is not None and settings.destripe != "off":
        known = dict(zip(places, lines, strict=True))
        job = replace(job, lines=PlaneLines(stack, settings.destripe, known))
    if middles is not None:
        sample = replace(as_stack(middles, axes), padding=padding)
        drift = Drift(sample, mapping, _lines_of_middles(job, sample, places), first=places[0])
        job = replace(job, drift=drift)
    return denoise_region(job, region, values=values)


def _lines_of_middles(job: Job, sample: Stack, places: list[Position]) -> PlaneLines | None:
    """Return the offsets of the lines in the middles of planes, by the positions of a sample."""
    if job.lines is None or job.destripe == "off":
        return None
    cut = middle(job.stack.plane_shape)
    known = {
        within: job.lines.within((*(slice(i, i + 1) for i in place), *cut))[0]
        for within, place in zip(np.ndindex(sample.leading_shape), places, strict=True)
    }
    return PlaneLines(sample, job.destripe, known)
