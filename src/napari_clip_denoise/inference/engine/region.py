"""Denoising of a region of the source, used by all kinds of runs.

It has three steps, which a run performs for different regions at the same time: `read_region` on
the host, `predict_change` on the device, and `apply_change` on the host.
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
"""Batches queued on the device while the host adds up the previous one."""
BAND_SAMPLES = 2**17


@dataclass(frozen=True)
class RegionInput:
    """Input of a region: the region itself and the halo of its tiles.

    Attributes
    ----------
    values : numpy.ndarray
        Raw values, (N planes, Y, X, S samples).
    colours : numpy.ndarray
        Samples to denoise, with missing values filled.
    inputs : numpy.ndarray
        (M images, channels, Y, X), float32, on the network's scale.
    y, x : int
        Position of the box in the plane, in pixels.
    tiles : list of (Span, Span)
        Rows and columns of the tiles that cover the region.
    """

    values: np.ndarray
    colours: np.ndarray
    inputs: np.ndarray
    y: int
    x: int
    tiles: list[tuple[Span, Span]]


def planes_in(job: Job, region: Region) -> float:
    """Return the number of planes in a region; pieces of large planes count as fractions."""
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
        One slice per axis of the source; an RGB axis must be complete.
    cancel : CancelToken, optional
        Token that is checked frequently.
    advance : callable, optional
        Called with the number of planes (fractional) finished since the last call.

    Returns
    -------
    numpy.ndarray
        The denoised region, of the job's type. How a stack is cut into regions changes it only by
        rounding, because batches differ. The same region always has the same bytes, because
        batches do not extend beyond a region.
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
    """Make the input of a region from the values that were read at `input_index`.

    Parameters
    ----------
    job, region :
        See `denoise_region`.
    values : numpy.ndarray
        Raw values read at `input_index`.
    tiles : list of (Span, Span)
        Tiles returned by `input_index`.
    scratch : Scratch, optional
        Pool that provides the memory of the inputs.

    Returns
    -------
    RegionInput
        Raw values, and the same on the network's scale.
    """
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
    """Run the tiles of a region in batches and return the weighted sum of their changes.

    Parameters
    ----------
    job, region, cancel, advance :
        See `denoise_region`.
    box : RegionInput
        Input of the region.
    scratch : Scratch, optional
        Pool that provides the memory of the result.

    Returns
    -------
    numpy.ndarray
        (M images, channels, Y, X) of the region, float32: denoised minus noisy values on the
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
    """Add the predicted change to the raw values of a region.

    Parameters
    ----------
    job, region :
        See `denoise_region`.
    box : RegionInput
        Input of the region.
    change : numpy.ndarray
        Change returned by `predict_change`.
    scratch : Scratch, optional
        Pool that provides temporary memory and that of the result.

    Returns
    -------
    numpy.ndarray
        The denoised region on the raw scale, of the job's type.
    """
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
    """Batch of tiles on the device.

    Attributes
    ----------
    group : list of (int, (Span, Span))
        Image and tile of each entry.
    varied : list of int
        Entries that are passed to the network; constant ones are left unchanged.
    noisy : numpy.ndarray or None
        Input of the network.
    pending : Pending or None
        Output of the network.
    clamp : bool
        Whether to clip the output to the range of the input and [0, 1].
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
    """Cut a tile out of a plane (C, Y, X), reflect-padded beyond the end of the plane."""
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
    """Add the change of a tile (C, H, W) to that of its region."""
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
    """Split planes (N, Y, X, S) into bands of rows that fit into the CPU cache."""
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
    """Return the number of axes before those of the plane."""
    return job.stack.ndim - (3 if job.stack.is_rgb else 2)


def _to_network(scaled: np.ndarray, channels: int) -> np.ndarray:
    """Convert planes (N, Y, X, S) to images (M, channels, Y, X) for the network."""
    moved = np.moveaxis(scaled, -1, 1)
    n_planes, n_samples, height, width = moved.shape
    if channels == 1:
        return moved.reshape(n_planes * n_samples, 1, height, width)
    return moved if n_samples == channels else np.repeat(moved, channels, axis=1)


def _from_network(correction: np.ndarray, n_planes: int, n_samples: int) -> np.ndarray:
    """Convert images (M, channels, Y, X) back to planes (N, Y, X, S)."""
    n_images, channels, height, width = correction.shape
    if n_images == n_planes * n_samples and n_samples != channels:
        correction = correction.mean(axis=1)
    return np.moveaxis(correction.reshape(n_planes, n_samples, height, width), 1, -1)
