"""Running of a region's tiles through the network, in batches."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.engine import Pending
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.tiling import AxisTile, reflect_index
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.models.card import ModelCard

BATCHES_AHEAD = 1
"""Batches queued on the device while the host adds up the previous one."""

MEAN_WIDTH = 16.0
"""Width in pixels of the local mean that is given back where it is kept."""

Tile = tuple[AxisTile, AxisTile]
"""Rows and columns of a tile."""

KeptTile = tuple[int, Tile]
"""Number of an image, and one of its tiles that was not denoised."""

ALMOST_ALL = 1 - 1e-5
"""Sum of weights that is 1 but for rounding."""


@dataclass(frozen=True)
class Window:
    """Part of some planes on the network's scale that contains a region and its tiles.

    Attributes
    ----------
    images : numpy.ndarray
        (M images, channels, Y, X), float32.
    levels : numpy.ndarray or None
        Standard deviation of the noise, (M images, 1, Y, X), float32, NaN where unknown; None for
        networks that are not told it.
    keeps_mean : sequence of bool
        Whether each image gets its local mean back, see `ChannelMapping`.
    y, x : int
        Position of the first pixel in the plane.
    tiles : list of (AxisTile, AxisTile)
        The tiles that cover the region.
    """

    images: np.ndarray
    levels: np.ndarray | None
    keeps_mean: Sequence[bool]
    y: int
    x: int
    tiles: list[Tile]


def sum_changes(
    job: Job,
    window: Window,
    part: tuple[slice, slice],
    buffers: BufferPool,
    *,
    cancel: CancelToken | None = None,
    on_tiles: Callable[[int], None] | None = None,
    kept: list[KeptTile] | None = None,
) -> np.ndarray:
    """Run tiles in batches and return the weighted sum of the network's changes.

    Parameters
    ----------
    job : Job
        The model on its device, and the batch size.
    window : Window
        Input of the network.
    part : (slice, slice)
        Rows and columns of the plane to return.
    buffers : BufferPool
        Pool that provides the memory, also that of the result.
    cancel : CancelToken, optional
        Token that is checked before each batch and within the network.
    on_tiles : callable, optional
        Called with the number of tiles finished since the last call.
    kept : list of KeptTile, optional
        Receives the tiles in which nothing varies. They are not passed to the network, and their
        change is 0.

    Returns
    -------
    numpy.ndarray
        (M images, channels, Y, X) of `part`, float32: denoised minus noisy values on the network's
        scale.
    """
    size = tuple(along.stop - along.start for along in part)
    total = buffers.acquire((*window.images.shape[:2], *size), np.float32)
    total.fill(0)
    work = product(range(len(window.images)), window.tiles)
    running: deque[_Batch] = deque()
    while True:
        group = list(islice(work, job.batch))
        if group:
            if cancel is not None:
                cancel.check()
            batch = _start(job, window, group, buffers, cancel)
            running.append(batch)
            if kept is not None and len(batch.varying) < len(group):
                varying = set(batch.varying)
                kept += [entry for i, entry in enumerate(group) if i not in varying]
        if not running:
            return total
        if len(running) > BATCHES_AHEAD or not group:
            finished = running.popleft()
            _collect(finished, window, total, part, buffers)
            if on_tiles is not None:
                on_tiles(len(finished.group))


def kept_share(
    kept: Sequence[KeptTile], images: range, part: tuple[slice, slice]
) -> np.ndarray | None:
    """Return how much of each pixel was not denoised, as the weights of the kept tiles.

    Parameters
    ----------
    kept : sequence of KeptTile
        Tiles that `sum_changes` kept.
    images : range
        Images of a plane: one, or one for each of its samples.
    part : (slice, slice)
        Rows and columns of the plane to return.

    Returns
    -------
    numpy.ndarray or None
        (Y, X, images), float32, from 0 to 1; None if all was denoised.
    """
    found = [(image, tile) for image, tile in kept if image in images]
    if not found:
        return None
    total = np.zeros((len(images), *(along.stop - along.start for along in part)), np.float32)
    for image, tile in found:
        size = tuple(along.stop - along.start for along in tile)
        number = images.index(image)
        all_of_it = np.broadcast_to(np.float32(1), (1, *size))
        _add(total[number : number + 1], all_of_it, tile, part)
    total[total > ALMOST_ALL] = 1
    return np.moveaxis(total, 0, -1)


@dataclass(frozen=True)
class _Batch:
    """Batch of tiles on the device.

    Attributes
    ----------
    group : list of (int, Tile)
        Image and tile of each entry.
    varying : list of int
        Entries that are passed to the network; constant ones are left unchanged.
    noisy : numpy.ndarray or None
        Image of each entry of `varying`.
    pending : Pending or None
        Output of the network.
    card : ModelCard
        Says whether to clip the output to [0, 1], or to the range of the input and [0, 1].
    """

    group: list[tuple[int, Tile]]
    varying: list[int]
    noisy: np.ndarray | None
    pending: Pending | None
    card: ModelCard


def _start(
    job: Job,
    window: Window,
    group: list[tuple[int, Tile]],
    buffers: BufferPool,
    cancel: CancelToken | None,
) -> _Batch:
    def cut(planes: np.ndarray, image: int, tile: Tile) -> np.ndarray:
        return _cut(planes[image], window, tile, job.stack.plane_shape)

    images = [cut(window.images, *entry) for entry in group]
    card = job.runner.card
    varying = [i for i, values in enumerate(images) if card.clip_input or np.ptp(values) > 0]
    if not varying:
        return _Batch(group, varying, None, None, card)
    noisy = buffers.acquire((len(varying), *images[0].shape), np.float32)
    np.stack([images[i] for i in varying], out=noisy)
    level = None
    if window.levels is not None:
        level = np.stack([cut(window.levels, *group[i]) for i in varying])
    pending = job.runner.start(noisy, cancel, level=level, ensemble=job.self_ensemble)
    return _Batch(group, varying, noisy, pending, card)


def _collect(
    batch: _Batch,
    window: Window,
    total: np.ndarray,
    part: tuple[slice, slice],
    buffers: BufferPool,
) -> None:
    if batch.pending is None or batch.noisy is None:
        return
    for i, noisy, denoised in zip(batch.varying, batch.noisy, batch.pending.result(), strict=True):
        if batch.card.clip_input:
            denoised = np.clip(denoised, 0, 1)
        elif batch.card.clamp:
            low = np.minimum(noisy, 0)
            denoised = np.clip(denoised, low, np.maximum(noisy, 1), out=low)
        image, tile = batch.group[i]
        change = np.subtract(denoised, noisy, out=noisy)
        if window.keeps_mean[image]:
            change -= gaussian_filter(change, (0, MEAN_WIDTH, MEAN_WIDTH), truncate=2)
        _add(total[image], change, tile, part)
    buffers.release(batch.noisy)


def _cut(plane: np.ndarray, window: Window, tile: Tile, plane_shape: tuple[int, int]) -> np.ndarray:
    """Cut a tile (C, H, W) out of (C, Y, X), reflect-padded beyond the end of the plane."""
    row, column = tile
    if row.stop <= plane_shape[0] and column.stop <= plane_shape[1]:
        rows = slice(row.start - window.y, row.stop - window.y)
        return plane[:, rows, column.start - window.x : column.stop - window.x]
    y = reflect_index(row.start, row.stop, plane_shape[0]) - window.y
    x = reflect_index(column.start, column.stop, plane_shape[1]) - window.x
    return plane[:, y[:, None], x[None, :]]


def _add(total: np.ndarray, change: np.ndarray, tile: Tile, part: tuple[slice, slice]) -> None:
    """Add the weighted change of a tile (C, H, W) to that of its region."""
    target, source, weights = [slice(None)], [slice(None)], []
    for along, kept in zip(tile, part, strict=True):
        start, stop = max(along.weight_start, kept.start), min(along.weight_stop, kept.stop)
        target.append(slice(start - kept.start, stop - kept.start))
        source.append(slice(start - along.start, stop - along.start))
        weights.append(along.weights[start - along.weight_start : stop - along.weight_start])
    inside = change[tuple(source)]
    if any((along != 1).any() for along in weights):
        inside = weights[0][:, None] * weights[1][None, :] * inside
    total[tuple(target)] += inside
