"""Lazy denoising of dask arrays, with the same regions as a run as tasks of a dask graph."""

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import torch
from dask import delayed

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.regions import Region, split, whole
from napari_clip_denoise.images.stack import Stack, as_stack
from napari_clip_denoise.inference.engine.backoff import denoise_within_memory
from napari_clip_denoise.inference.engine.job import mapping_for, prepare
from napari_clip_denoise.inference.engine.measured.drift import Drift, middle
from napari_clip_denoise.inference.engine.neighbours.context import planes_with_neighbours
from napari_clip_denoise.inference.engine.region import denoise_region, source_window
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.runs import warn_if_clipped
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.checkpoint import Model

WHOLE_PLANE_PIXELS = 2**26
BLOCK_SIDE = 4096


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
        model=model,
        settings=settings,
        mapping=mapping,
    )


def _denoise_planes(
    block: np.ndarray,
    axes: str,
    model: Model,
    settings: DenoiseSettings,
    mapping: IntensityMapping,
    block_info: dict[Any, Any],
) -> np.ndarray:
    where = axes.find("c")
    if where >= 0:
        mapping = mapping.part(*block_info[0]["array-location"][where])
    job = prepare(as_stack(block, axes), model, settings, mapping=mapping)
    return denoise_within_memory(job, whole(block.shape))


def _by_pieces(
    stack: Stack,
    model: Model,
    settings: DenoiseSettings,
    mapping: IntensityMapping,
    piece: tuple[int, ...],
) -> da.Array:
    if settings.destripe != "off":
        raise InputError(
            "Offsets of lines cannot be removed from a dask array that is denoised in pieces; set "
            "destripe to off, or give a NumPy array or a file."
        )
    job = prepare(stack, model, settings, mapping=mapping)
    counts = [-(-size // step) for size, step in zip(stack.shape, piece, strict=True)]
    blocks = np.empty(counts, object)
    for position, region in zip(np.ndindex(*counts), split(stack.shape, piece), strict=True):
        index, _ = source_window(job, region)
        middles = None
        if job.drift:
            leading = index[: len(stack.leading_shape)]
            middles = stack.array[*leading, *middle(stack.plane_shape)]
        task = delayed(_denoise_piece, pure=True)(
            stack.array[index], middles, stack.shape, stack.axes, region, model, settings, mapping
        )
        shape = tuple(part.stop - part.start for part in region)
        blocks[position] = da.from_delayed(task, shape, job.dtype)
    return da.block(blocks.tolist())


def _denoise_piece(
    values: np.ndarray,
    middles: np.ndarray | None,
    shape: tuple[int, ...],
    axes: str,
    region: Region,
    model: Model,
    settings: DenoiseSettings,
    mapping: IntensityMapping,
) -> np.ndarray:
    unread = np.broadcast_to(np.zeros((), values.dtype), shape)
    job = prepare(as_stack(unread, axes), model, settings, mapping=mapping)
    if middles is not None:
        first = [part.start for part in planes_with_neighbours(job, region)]
        sample = as_stack(middles, axes)
        drift = Drift(sample, mapping, first=tuple(first[: len(sample.leading_shape)]))
        job = replace(job, drift=drift)
    return denoise_region(job, region, values=values)
