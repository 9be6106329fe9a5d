"""The one way from noisy to clean: a region of the source in, the same region denoised out."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.ndimage import uniform_filter

from napari_clip_denoise.images.grid import Region
from napari_clip_denoise.inference.job import Job
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.tiles import Span, reflect_index


@dataclass(frozen=True)
class Box:
    """What has to be read for a region: the region itself and the halo of its tiles.

    Attributes
    ----------
    values : numpy.ndarray
        Raw values, in the axes of the source.
    y, x : int
        Where `values` begin in the plane.
    tiles : list of (Span, Span)
        Rows and columns of the tiles that the region needs.
    """

    values: np.ndarray
    y: int
    x: int
    tiles: list[tuple[Span, Span]]


def planes_in(job: Job, region: Region) -> float:
    """How many planes a region amounts to, in fractions of large ones."""
    n_plane_axes = 3 if job.stack.is_rgb else 2
    sizes = [part.stop - part.start for part in region[: len(region) - n_plane_axes + 2]]
    height, width = job.stack.plane_shape
    return float(np.prod(sizes, dtype=float)) / (height * width)


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
        up to the rounding of different batch sizes.
    """
    return denoise_box(job, region, read_box(job, region), cancel=cancel, advance=advance)


def read_box(job: Job, region: Region) -> Box:
    """Read a region and the halo of its tiles."""
    index, tiles = box_index(job, region)
    return make_box(job.stack.read(index), tiles)


def box_index(job: Job, region: Region) -> tuple[Region, list[tuple[Span, Span]]]:
    """Find the part of the source that a region needs, and its tiles."""
    n_leading = len(region) - (3 if job.stack.is_rgb else 2)
    y, x = region[n_leading : n_leading + 2]
    rows, columns = _overlapping(job.rows, y), _overlapping(job.columns, x)
    height, width = job.stack.plane_shape
    box_y = slice(rows[0].start, min(height, rows[-1].stop))
    box_x = slice(columns[0].start, min(width, columns[-1].stop))
    index = (*region[:n_leading], box_y, box_x, *region[n_leading + 2 :])
    return index, list(product(rows, columns))


def make_box(values: np.ndarray, tiles: list[tuple[Span, Span]]) -> Box:
    """Put a box together from what was read at `box_index`."""
    return Box(values, tiles[0][0].start, tiles[0][1].start, tiles)


def denoise_box(
    job: Job,
    region: Region,
    box: Box,
    *,
    cancel: CancelToken | None = None,
    advance: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Denoise what `read_box` has read; see `denoise_region`."""
    change = correct(job, region, box, cancel=cancel, advance=advance)
    return apply(job, region, box, change)


def correct(
    job: Job,
    region: Region,
    box: Box,
    *,
    cancel: CancelToken | None = None,
    advance: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Find what the network changes in what `read_box` has read, whatever the job's strength.

    Returns
    -------
    numpy.ndarray
        (M images, channels, Y, X) of the region, float32: denoised minus noisy on the
        network's scale.
    """
    colours, channels, (y, x) = _colours(job, region, box)
    unit = np.empty(colours.shape, np.float32)
    for channel in np.unique(channels):
        mine = channels == channel
        unit[mine] = job.mapping.channel(channel).to_unit(colours[mine])
    inputs = _to_network(unit, job.runner.card.network.channels)
    share = planes_in(job, region) / (len(inputs) * len(box.tiles))
    size = (y.stop - y.start, x.stop - x.start)
    correction = np.zeros((*inputs.shape[:2], *size), np.float32)
    _accumulate(job, inputs, correction, box, (y, x), cancel, advance, share)
    return correction


def apply(job: Job, region: Region, box: Box, change: np.ndarray) -> np.ndarray:
    """Add what `correct` found to the raw values, on their scale, by the job's strength."""
    colours, channels, (y, x) = _colours(job, region, box)
    window = (slice(y.start - box.y, y.stop - box.y), slice(x.start - box.x, x.stop - box.x))
    inside = _planes(job, box)[:, *window]
    raw = colours[:, *window]
    unit_change = _from_network(change, len(colours), colours.shape[-1])
    result = inside.astype(np.result_type(inside.dtype, np.float32))
    for channel in np.unique(channels):
        mine = channels == channel
        raw_change = job.mapping.channel(channel).change(raw[mine], unit_change[mine])
        result[mine, ..., :3] += job.strength * raw_change
    shape = tuple(part.stop - part.start for part in region)
    return cast(result, job.dtype).reshape(shape)


def _planes(job: Job, box: Box) -> np.ndarray:
    """Raw values of a box, (N, Y, X, S)."""
    values = box.values.reshape(-1, *box.values.shape[len(job.stack.leading_shape) :])
    return values if job.stack.is_rgb else values[..., np.newaxis]


def _colours(
    job: Job, region: Region, box: Box
) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    """Samples of a box that are denoised, the channel of each plane, and rows and columns."""
    n_leading = len(job.stack.leading_shape)
    y, x = region[n_leading : n_leading + 2]
    channels = np.array(_channels(job.stack.axes, region[:n_leading]))
    return fill_non_finite(_planes(job, box)[..., :3]), channels, (y, x)


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round and clip to an integer type (NaN becomes 0), or convert to a floating-point one."""
    if dtype.kind == "f":
        return values.astype(dtype)
    info = np.iinfo(dtype)
    top = values.dtype.type(info.max)
    if int(top) > info.max:
        top = np.nextafter(top, values.dtype.type(0))
    rounded = np.rint(np.nan_to_num(values, nan=0, posinf=info.max, neginf=info.min))
    return np.clip(rounded, info.min, top).astype(dtype)


def fill_non_finite(values: np.ndarray) -> np.ndarray:
    """Replace NaN and infinities by the mean of the finite values within two pixels.

    Parameters
    ----------
    values : numpy.ndarray
        (N, Y, X, S).

    Returns
    -------
    numpy.ndarray
        Finite; values with no finite neighbour become the mean of all finite ones.
    """
    if values.dtype.kind != "f":
        return values
    finite = np.isfinite(values)
    if finite.all():
        return values
    size = (1, 5, 5, 1)
    known = np.where(finite, values, 0)
    weight = uniform_filter(finite.astype(np.float64), size, mode="constant")
    local = uniform_filter(known.astype(np.float64), size, mode="constant")
    level = known.sum(dtype=np.float64) / max(1, int(finite.sum()))
    near = weight > 0.5 / 25
    filled = np.where(near, local / np.where(near, weight, 1), level)
    return np.where(finite, values, filled).astype(values.dtype)


def _accumulate(
    job: Job,
    inputs: np.ndarray,
    correction: np.ndarray,
    box: Box,
    region: tuple[slice, slice],
    cancel: CancelToken | None,
    advance: Callable[[float], None] | None,
    share: float,
) -> None:
    """Run the tiles in batches and add what they change, weighted, to `correction`."""
    work = product(range(len(inputs)), box.tiles)
    while group := list(itertools.islice(work, job.batch)):
        if cancel is not None:
            cancel.check()
        windows = [
            _window(inputs[plane], tile, box, job.stack.plane_shape) for plane, tile in group
        ]
        varied = [i for i, window in enumerate(windows) if np.ptp(window) > 0]
        if varied:
            noisy = np.stack([windows[i] for i in varied])
            denoised = job.runner(noisy, cancel)
            if job.runner.card.clamp:
                denoised = np.clip(denoised, np.minimum(noisy, 0), np.maximum(noisy, 1))
            for i, change in zip(varied, denoised - noisy, strict=True):
                plane, tile = group[i]
                _add(correction[plane], change, tile, region)
        if advance is not None:
            advance(share * len(group))


def _window(
    plane: np.ndarray, tile: tuple[Span, Span], box: Box, plane_shape: tuple[int, int]
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
    total[tuple(target)] += weights[0][:, None] * weights[1][None, :] * change[tuple(source)]


def _overlapping(spans: tuple[Span, ...], part: slice) -> list[Span]:
    return [s for s in spans if s.weight_start < part.stop and s.weight_stop > part.start]


def _channels(axes: str, leading: Region) -> list[int]:
    """List the channel of each plane of a region, in C order."""
    ranges = [range(part.start, part.stop) for part in leading]
    where = axes.find("c")
    return [position[where] if where >= 0 else 0 for position in product(*ranges)]


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
