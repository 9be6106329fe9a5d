"""Denoising of one region of the source: the only way from noisy to clean.

`denoise_region` does it in one call. Who keeps the prediction (a preview) calls `predict_region`;
who reads ahead (a pipelined run) hands it what `read_region` has read.
"""

import math
from collections.abc import Callable
from itertools import product

import numpy as np

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.hot_pixels import find_hot_pixels
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.neighbours.average import (
    average_neighbours,
    part_with_margin,
)
from napari_clip_denoise.inference.engine.neighbours.context import (
    context_of,
    planes_with_neighbours,
)
from napari_clip_denoise.inference.engine.planes import bands, noise_levels, to_network
from napari_clip_denoise.inference.engine.prediction import Prediction, RegionInput
from napari_clip_denoise.inference.engine.tiles import KeptTile, Tile, Window, sum_changes
from napari_clip_denoise.inference.engine.tiling import AxisTile
from napari_clip_denoise.inference.engine.values import fill_missing, missing_in
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.timing import Profile, stage


def denoise_region(
    job: Job,
    region: Region,
    *,
    values: np.ndarray | None = None,
    cancel: CancelToken | None = None,
    profile: Profile | None = None,
) -> np.ndarray:
    """Denoise a region of a job's source.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    region : tuple of slice
        One slice per axis of the source; an RGB axis must be complete.
    values : numpy.ndarray, optional
        Raw values at `source_window`, used instead of reading them.
    cancel : CancelToken, optional
        Token that is checked frequently.
    profile : Profile, optional
        Records the time spent in each stage.

    Returns
    -------
    numpy.ndarray
        The denoised region, of the job's type. How a stack is cut into regions changes it only by
        rounding, because batches differ. The same region always has the same bytes, because
        batches do not extend beyond a region.
    """
    given = read_region(job, region, values=values, profile=profile)
    prediction = predict_region(job, region, given=given, cancel=cancel, profile=profile)
    return prediction.result(profile=profile)


def predict_region(
    job: Job,
    region: Region,
    *,
    given: RegionInput | None = None,
    cancel: CancelToken | None = None,
    on_planes: Callable[[float], None] | None = None,
    buffers: BufferPool | None = None,
    profile: Profile | None = None,
) -> Prediction:
    """Run the network on a region.

    Parameters
    ----------
    job, region, cancel, profile :
        See `denoise_region`.
    given : RegionInput, optional
        Input returned by `read_region` for the same job and region, used instead of reading it.
    on_planes : callable, optional
        Called with the number of planes (fractional) finished since the last call.
    buffers : BufferPool, optional
        Pool that provides the memory of the prediction.

    Returns
    -------
    Prediction
        The network's change, from which the result follows at any strength.
    """
    buffers = buffers or BufferPool()
    given = given or read_region(job, region, buffers=buffers, profile=profile)
    y, x = region[len(job.stack.leading_shape) :][:2]
    window, planes = given.window, planes_in(job, region)
    with stage(profile, "device"):
        if given.context is not None:
            window = average_neighbours(job, window, given.context, buffers, cancel=cancel)
            planes /= 2
            if on_planes is not None:
                on_planes(planes)
        kept: list[KeptTile] = []
        planes_per_tile = planes / (len(window.images) * len(window.tiles))
        change = sum_changes(
            job,
            window,
            (y, x),
            buffers,
            cancel=cancel,
            on_tiles=(lambda n: on_planes(n * planes_per_tile)) if on_planes else None,
            kept=kept,
        )
        if given.context is not None:
            averaged, noisy = _cut(window, (y, x)), _cut(given.window, (y, x))
            for total, mean, own in zip(change, averaged, given.context.own, strict=True):
                total += mean - noisy[own]
            buffers.release(window.images)
    return Prediction(job, region, given.for_result(), change, tuple(kept))


def read_region(
    job: Job,
    region: Region,
    *,
    values: np.ndarray | None = None,
    buffers: BufferPool | None = None,
    profile: Profile | None = None,
) -> RegionInput:
    """Read a region and the halo of its tiles, and map it to the network's scale.

    Parameters
    ----------
    job, region, values, profile :
        See `denoise_region`.
    buffers : BufferPool, optional
        Pool that provides the memory.

    Returns
    -------
    RegionInput
        Raw values, and the same on the network's scale, with the neighbours of the planes.
    """
    buffers = buffers or BufferPool()
    index, tiles = source_window(job, region)
    if values is None:
        with stage(profile, "read"):
            values = job.stack.read(index, buffers.acquire)
    with stage(profile, "map"):
        values = values.reshape(-1, *values.shape[len(job.stack.leading_shape) :])
        if not job.stack.is_rgb:
            values = values[..., np.newaxis]
        colours = values[..., :3]
        missing = missing_in(colours, job.stack.padding)
        colours = fill_missing(colours, missing)
        mappings = job.mappings_of(index)
        hides_hot = job.runner.card.hides_hot_pixels
        hot = find_hot_pixels(colours, mappings) if hides_hot else None
        colours = fill_missing(colours, hot)
        if job.lines:
            colours = colours - job.lines.within(index)
        unit = buffers.acquire(colours.shape, np.float32)
        for plane, mapping in enumerate(mappings):
            for rows in bands(colours.shape):
                unit[plane, rows] = mapping.normalize(colours[plane, rows])
        network = job.runner.card.network
        images = to_network(unit, network.channels)
        levels = None
        if network.noise_level:
            levels = noise_levels(colours, mappings, network.channels)
        per_plane = len(images) // max(1, len(mappings))
        keeps_mean = [mapping.keeps_mean for mapping in mappings for _ in range(per_plane)]
        y, x = index[len(job.stack.leading_shape) :][:2]
        window = Window(images, levels, keeps_mean, y.start, x.start, tiles)
        given = RegionInput(values, colours, window, missing, hot)
        return _with_context(job, region, index, given) if job.context else given


def _with_context(job: Job, region: Region, index: Region, given: RegionInput) -> RegionInput:
    """Separate the planes of a region from their neighbours."""
    images = given.window.images
    per_plane = len(images) // len(given.values)
    masks = [mask for mask in (given.missing, given.hot) if mask is not None]
    known: np.ndarray | None = None
    if masks:
        filled = to_network(np.any(masks, axis=0), images.shape[1])
        known = np.where(filled.any(axis=1, keepdims=True), 0, 1).astype(np.float32)
    context = context_of(job, region, index, per_plane, known)
    planes = [image // per_plane for image in context.own[::per_plane]]
    first, last = planes[0], planes[-1] + 1
    own = slice(first, last) if planes == list(range(first, last)) else np.array(planes)
    missing, hot = (None if mask is None else mask[own] for mask in (given.missing, given.hot))
    return RegionInput(given.values[own], given.colours[own], given.window, missing, hot, context)


def _cut(window: Window, part: tuple[slice, slice]) -> np.ndarray:
    """Return a part of the plane, (M, channels, Y, X), as a view."""
    y, x = part
    rows = slice(y.start - window.y, y.stop - window.y)
    return window.images[:, :, rows, x.start - window.x : x.stop - window.x]


def source_window(job: Job, region: Region) -> tuple[Region, list[Tile]]:
    """Return the part of the source that a region needs, and the region's tiles."""
    n_leading = len(job.stack.leading_shape)
    y, x = region[n_leading : n_leading + 2]
    rows, columns = _overlapping(job.rows, y), _overlapping(job.columns, x)
    tiles = list(product(rows, columns))
    if job.context:
        leading = planes_with_neighbours(job, region)[:n_leading]
        return (*leading, *part_with_margin(job, tiles), *region[n_leading + 2 :]), tiles
    height, width = job.stack.plane_shape
    seen_y = slice(rows[0].start, min(height, rows[-1].stop))
    seen_x = slice(columns[0].start, min(width, columns[-1].stop))
    return (*region[:n_leading], seen_y, seen_x, *region[n_leading + 2 :]), tiles


def planes_in(job: Job, region: Region) -> float:
    """Return the number of planes in a region; pieces of large planes count as fractions."""
    sizes = (part.stop - part.start for part in region[: len(job.stack.leading_shape) + 2])
    return math.prod(sizes) / math.prod(job.stack.plane_shape)


def _overlapping(tiles: tuple[AxisTile, ...], part: slice) -> list[AxisTile]:
    return [t for t in tiles if t.weight_start < part.stop and t.weight_stop > part.start]
