"""The one way from noisy to clean: a region of the source in, the same region denoised out.

It has three steps, which a run does for different regions at the same time: `read_region` on the
host, `predict_change` on the device, `apply_change` on the host.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.buffers import Scratch
from napari_clip_denoise.inference.engine.engine import Pending
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.tiling import Span, reflect_index
from napari_clip_denoise.inference.engine.values import cast, fill_non_finite
from napari_clip_denoise.inference.progress import CancelToken

BATCHES_AHEAD = 1
"""Batches that a device has in hand while the host adds up the one before."""
BAND_SAMPLES = 2**17


@dataclass(frozen=True)
class RegionInput:
    """What a region needs: the region itself and the halo of its tiles.

    Attributes
    ----------
    values : numpy.ndarray
        Raw values (N planes, Y, X, S samples).
    colours : numpy.ndarray
        The samples that are denoised, with missing values filled.
    inputs : numpy.ndarray
        (M images, channels, Y, X), float32, on the network's scale.
    y, x : int
        Where the box begins in the plane.
    tiles : list of (Span, Span)
        Rows and columns of the tiles that the region needs.
    """

    values: np.ndarray
    colours: np.ndarray
    inputs: np.ndarray
    y: int
    x: int
    tiles: list[tuple[Span, Span]]


def planes_in(job: Job, region: Region) -> float:
    """How many planes a region amounts to, in fractions of large ones."""
    sizes = (part.stop - part.start for part in region[: _n_leading(job) + 2])
    return math.prod(sizes) / math.prod(job.stack.plane_shape)


def denoise_region(
    job: Job,
    region: Region,
    *,
    cancel: CancelToken | None = None,
    advance: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Denoise a region of a job's source.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    region : tuple of slice
        One slice an axis of the source; an RGB axis is taken whole.
    cancel : CancelToken, optional
        Looked at all the time.
    advance : callable, optional
        Told the planes (in fractions) that were finished since the last call.

    Returns
    -------
    numpy.ndarray
        The region, of the job's type. It does not depend on how a stack is cut into regions,
        up to the rounding of different batches; the same region has always the same bytes,
        since no batch reaches beyond it.
    """
    box = read_region(job, region)
    return apply_change(
        job, region, box, predict_change(job, region, box, cancel=cancel, advance=advance)
    )


def read_region(job: Job, region: Region) -> RegionInput:
    """Read a region and the halo of its tiles, and map it to the network's scale."""
    index, tiles = input_index(job, region)
    return make_input(job, region, job.stack.read(index), tiles)


def input_index(job: Job, region: Region) -> tuple[Region, list[tuple[Span, Span]]]:
    """Find the part of the source that a region needs, and its tiles."""
    n_leading = _n_leading(job)
    y, x = region[n_leading : n_leading + 2]
    rows, columns = _overlapping(job.rows, y), _overlapping(job.columns, x)
    height, width = job.stack.plane_shape
    box_y = slice(rows[0].start, min(height, rows[-1].stop))
    box_x = slice(columns[0].start, min(width, columns[-1].stop))
    index = (*region[:n_leading], box_y, box_x, *region[n_leading + 2 :])
    return index, list(product(rows, columns))


def make_input(
    job: Job,
    region: Region,
    values: np.ndarray,
    tiles: list[tuple[Span, Span]],
    scratch: Scratch | None = None,
) -> RegionInput:
    """Put a box together from what was read at `input_index`; its inputs are lent by `scratch`."""
    scratch = scratch or Scratch()
    values = values.reshape(-1, *values.shape[_n_leading(job) :])
    if not job.stack.is_rgb:
        values = values[..., np.newaxis]
    colours = fill_non_finite(values[..., :3])
    unit = scratch.acquire(colours.shape, np.float32)
    for plane, channel in enumerate(_channels(job, region)):
        mapping = job.mapping.channel(channel)
        for rows in _bands(colours.shape):
            unit[plane, rows] = mapping.normalize(colours[plane, rows])
    inputs = _to_network(unit, job.runner.card.network.channels)
    return RegionInput(values, colours, inputs, tiles[0][0].start, tiles[0][1].start, tiles)


def predict_change(
    job: Job,
    region: Region,
    box: RegionInput,
    *,
    cancel: CancelToken | None = None,
    advance: Callable[[float], None] | None = None,
    scratch: Scratch | None = None,
) -> np.ndarray:
    """Run the tiles of a box in batches and add up what they change, weighted.

    Parameters
    ----------
    job, region, cancel, advance :
        See `denoise_region`.
    box : RegionInput
        Of the region.
    scratch : Scratch, optional
        Lends the memory of the result.

    Returns
    -------
    numpy.ndarray
        (M images, channels, Y, X) of the region, float32: denoised minus noisy on the
        network's scale.
    """
    scratch = scratch or Scratch()
    y, x = region[_n_leading(job) :][:2]
    size = (y.stop - y.start, x.stop - x.start)
    total = scratch.acquire((*box.inputs.shape[:2], *size), np.float32)
    total.fill(0)
    share = planes_in(job, region) / (len(box.inputs) * len(box.tiles))
    work = product(range(len(box.inputs)), box.tiles)
    running: deque[_Batch] = deque()
    while group := list(islice(work, job.batch)):
        if cancel is not None:
            cancel.check()
        running.append(_start(job, box, group, scratch, cancel))
        if len(running) > BATCHES_AHEAD:
            _collect(running.popleft(), total, (y, x), share, advance, scratch)
    for batch in running:
        _collect(batch, total, (y, x), share, advance, scratch)
    return total


def apply_change(
    job: Job, region: Region, box: RegionInput, change: np.ndarray, scratch: Scratch | None = None
) -> np.ndarray:
    """Add the change to the raw values, on their scale, in memory that `scratch` acquires."""
    scratch = scratch or Scratch()
    normalized_change = _from_network(change, len(box.values), box.colours.shape[-1])
    y, x = region[_n_leading(job) :][:2]
    inside = (slice(y.start - box.y, y.stop - box.y), slice(x.start - box.x, x.stop - box.x))
    shape = (len(box.values), *change.shape[-2:], box.values.shape[-1])
    result = scratch.acquire(shape, job.dtype)
    values, colours = (array[:, *inside] for array in (box.values, box.colours))
    exact_type = np.result_type(values.dtype, np.float32)
    for plane, channel in enumerate(_channels(job, region)):
        mapping = job.mapping.channel(channel)
        for rows in _bands(colours.shape):
            exact = values[plane, rows].astype(exact_type)
            raw_change = mapping.denormalize_change(
                colours[plane, rows], normalized_change[plane, rows]
            )
            raw_change *= job.strength
            exact[..., :3] += raw_change
            result[plane, rows] = cast(exact, job.dtype)
    return result.reshape([part.stop - part.start for part in region])


@dataclass(frozen=True)
class _Batch:
    """Tiles that the device has in hand.

    Attributes
    ----------
    group : list of (int, (Span, Span))
        Image and tile of each.
    varied : list of int
        Which of them the network got; constant ones stay as they are.
    noisy : numpy.ndarray or None
        Its input.
    pending : Pending or None
        Its output.
    clamp : bool
        Whether the output is kept within the range of the input and [0, 1].
    """

    group: list[tuple[int, tuple[Span, Span]]]
    varied: list[int]
    noisy: np.ndarray | None
    pending: Pending | None
    clamp: bool


def _start(
    job: Job,
    box: RegionInput,
    group: list[tuple[int, tuple[Span, Span]]],
    scratch: Scratch,
    cancel: CancelToken | None,
) -> _Batch:
    windows = [
        _window(box.inputs[image], tile, box, job.stack.plane_shape) for image, tile in group
    ]
    varied = [i for i, window in enumerate(windows) if np.ptp(window) > 0]
    noisy = pending = None
    if varied:
        noisy = scratch.acquire((len(varied), *windows[0].shape), np.float32)
        np.stack([windows[i] for i in varied], out=noisy)
        pending = job.runner.start(noisy, cancel, ensemble=job.self_ensemble)
    return _Batch(group, varied, noisy, pending, job.runner.card.clamp)


def _collect(
    batch: _Batch,
    total: np.ndarray,
    region: tuple[slice, slice],
    share: float,
    advance: Callable[[float], None] | None,
    scratch: Scratch,
) -> None:
    if batch.pending is not None and batch.noisy is not None:
        tiles = zip(batch.varied, batch.noisy, batch.pending.result(), strict=True)
        for i, noisy, denoised in tiles:
            if batch.clamp:
                low = np.minimum(noisy, 0)
                denoised = np.clip(denoised, low, np.maximum(noisy, 1), out=low)
            image, tile = batch.group[i]
            _add(total[image], np.subtract(denoised, noisy, out=noisy), tile, region)
        scratch.release(batch.noisy)
    if advance is not None:
        advance(share * len(batch.group))


def _window(
    plane: np.ndarray, tile: tuple[Span, Span], box: RegionInput, plane_shape: tuple[int, int]
) -> np.ndarray:
    """Cut a tile out of a plane (C, Y, X), reflect-padded beyond the plane's end."""
    row, column = tile
    if row.stop <= plane_shape[0] and column.stop <= plane_shape[1]:
        return plane[
            :, row.start - box.y : row.stop - box.y, column.start - box.x : column.stop - box.x
        ]
    rows = reflect_index(row.start, row.stop, plane_shape[0]) - box.y
    columns = reflect_index(column.start, column.stop, plane_shape[1]) - box.x
    return plane[:, rows[:, None], columns[None, :]]


def _add(
    total: np.ndarray, change: np.ndarray, tile: tuple[Span, Span], region: tuple[slice, slice]
) -> None:
    """Add a tile's change (C, H, W) to that of the region."""
    target, source, weights = [slice(None)], [slice(None)], []
    for span, part in zip(tile, region, strict=True):
        start, stop = max(span.weight_start, part.start), min(span.weight_stop, part.stop)
        target.append(slice(start - part.start, stop - part.start))
        source.append(slice(start - span.start, stop - span.start))
        weights.append(span.weights[start - span.weight_start : stop - span.weight_start])
    inside = change[tuple(source)]
    if any((along != 1).any() for along in weights):
        inside = weights[0][:, None] * weights[1][None, :] * inside
    total[tuple(target)] += inside


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut planes (N, Y, X, S) into rows that stay in the cache while they are worked on."""
    height = max(1, BAND_SAMPLES // math.prod(shape[2:]))
    return (slice(start, start + height) for start in range(0, shape[1], height))


def _overlapping(spans: tuple[Span, ...], part: slice) -> list[Span]:
    return [s for s in spans if s.weight_start < part.stop and s.weight_stop > part.start]


def _channels(job: Job, region: Region) -> list[int]:
    """List the channel of each plane of a region, in C order."""
    ranges = [range(part.start, part.stop) for part in region[: _n_leading(job)]]
    where = job.stack.axes.find("c")
    return [position[where] if where >= 0 else 0 for position in product(*ranges)]


def _n_leading(job: Job) -> int:
    """Axes before the plane."""
    return job.stack.ndim - (3 if job.stack.is_rgb else 2)


def _to_network(scaled: np.ndarray, channels: int) -> np.ndarray:
    """Turn planes (N, Y, X, S) into images (M, channels, Y, X) of the network."""
    moved = np.moveaxis(scaled, -1, 1)
    n_planes, n_samples, height, width = moved.shape
    if channels == 1:
        return moved.reshape(n_planes * n_samples, 1, height, width)
    return moved if n_samples == channels else np.repeat(moved, channels, axis=1)


def _from_network(correction: np.ndarray, n_planes: int, n_samples: int) -> np.ndarray:
    """Undo `_to_network`: (M, channels, Y, X) to (N, Y, X, S)."""
    n_images, channels, height, width = correction.shape
    if n_images == n_planes * n_samples and n_samples != channels:
        correction = correction.mean(axis=1)
    return np.moveaxis(correction.reshape(n_planes, n_samples, height, width), 1, -1)
