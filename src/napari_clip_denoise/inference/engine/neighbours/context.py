"""Planes of a region, each averaged with its neighbours, as input of the network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.engine import cpu_threads
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.neighbours.guides import Guides, tiles_over
from napari_clip_denoise.inference.engine.tiles import Tile, Window
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.network.fusion import (
    LEAST_LEVEL,
    MARGIN,
    GuidedPlane,
    fuse,
)

PIECE = 1024
"""Side in pixels of the pieces that are averaged at a time."""

Part = tuple[slice, slice]


@dataclass(frozen=True)
class Context:
    """Place of each image of a window in the source.

    Attributes
    ----------
    positions : list of tuple of int
        Indices along the axes before the plane, then the number of the image in its plane.
    own : list of int
        Images of the region itself; the others are only neighbours.
    known : numpy.ndarray or None
        (M images, 1, Y, X), 0 where values were filled in, else 1; None if nowhere.
    least_levels : list of float
        Least noise level of each image when guides are compared; NaN if it is unknown.
    """

    positions: list[tuple[int, ...]]
    own: list[int]
    known: np.ndarray | None
    least_levels: list[float]


def planes_with_neighbours(job: Job, region: Region) -> Region:
    """Extend a region by the planes before and after it, as far as there are any."""
    if not job.context:
        return region
    along = region[job.context_axis]
    depth = job.stack.shape[job.context_axis]
    extended = slice(max(0, along.start - job.context), min(depth, along.stop + job.context))
    return (*region[: job.context_axis], extended, *region[job.context_axis + 1 :])


def part_with_margin(job: Job, tiles: list[Tile]) -> Part:
    """Return the rows and columns that the guides of some tiles need."""
    return _seen(job, tiles_over(job, _widened(job, _seen(job, tiles))))


def count_guides(job: Job, region: Region, tiles: list[Tile]) -> int:
    """Return the number of tiles of guides that a region with these tiles needs."""
    leading = planes_with_neighbours(job, region)[: len(job.stack.leading_shape)]
    n_planes = math.prod(part.stop - part.start for part in leading)
    return n_planes * len(tiles_over(job, _widened(job, _seen(job, tiles))))


def context_of(
    job: Job,
    region: Region,
    extended: Region,
    per_plane: int,
    known: np.ndarray | None,
) -> Context:
    """Describe the images of a region and its neighbours.

    Parameters
    ----------
    job : Job
        Source and settings.
    region, extended : tuple of slice
        The region, and what `planes_with_neighbours` makes of it.
    per_plane : int
        Number of images that the network gets of a plane.
    known : numpy.ndarray or None
        See `Context`.
    """
    n_leading = len(job.stack.leading_shape)
    ranges = [range(part.start, part.stop) for part in extended[:n_leading]]
    planes = list(product(*ranges))
    is_own = [
        all(part.start <= i < part.stop for i, part in zip(place, region[:n_leading], strict=True))
        for place in planes
    ]
    least = [
        LEAST_LEVEL * float(mapping.noise_level(np.array((mapping.low + mapping.high) / 2)))
        for mapping in job.mappings_of(extended)
    ]
    images = list(product(range(len(planes)), range(per_plane)))
    return Context(
        positions=[(*planes[plane], number) for plane, number in images],
        own=[i for i, (plane, _) in enumerate(images) if is_own[plane]],
        known=known,
        least_levels=[least[plane] for plane, _ in images],
    )


def average_neighbours(
    job: Job,
    window: Window,
    context: Context,
    buffers: BufferPool,
    *,
    cancel: CancelToken | None = None,
) -> Window:
    """Average each image of a region with its neighbours where they agree.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    window : Window
        Images of the region and of its neighbours, with the noise level.
    context : Context
        Place of each image.
    buffers : BufferPool
        Pool that provides the memory, also that of the result.
    cancel : CancelToken, optional
        Token that is checked before each tile and within the network.

    Returns
    -------
    Window
        Images of the region alone, cut to its tiles, and the noise level that is left.
    """
    assert window.levels is not None
    seen = _seen(job, window.tiles)
    size = tuple(part.stop - part.start for part in seen)
    images = buffers.acquire((len(context.own), window.images.shape[1], *size), np.float32)
    levels = buffers.acquire((len(context.own), 1, *size), np.float32)
    inside = _within(window, seen)
    images[...] = window.images[context.own, :, *inside]
    levels[...] = window.levels[context.own, :, *inside]
    guides = Guides(job, window, buffers, cancel)
    where = {position: image for image, position in enumerate(context.positions)}
    for part in _pieces(seen):
        wide = _widened(job, part)
        planes = _Planes(guides, context, wide)
        for number, own in enumerate(context.own):
            around = [where[place] for place in _beside(job, context.positions[own], where)]
            planes.keep(own, around)
            if around and context.least_levels[own] > 0:
                change, level = planes.fuse(own, around)
                rows, columns = _relative(part, seen[0].start, seen[1].start)
                from_rows, from_columns = _relative(part, wide[0].start, wide[1].start)
                images[number, :, rows, columns] += change[:, from_rows, from_columns]
                levels[number, :, rows, columns] = level[:, from_rows, from_columns]
    keeps_mean = [window.keeps_mean[own] for own in context.own]
    return Window(images, levels, keeps_mean, seen[0].start, seen[1].start, window.tiles)


class _Planes:
    """Guided planes of one piece, on the device, for as long as they are needed."""

    def __init__(self, guides: Guides, context: Context, part: Part):
        self._guides = guides
        self._context = context
        self._part = part
        self._inside = _within(guides.window, part)
        self._device = guides.job.runner.device
        self._planes: dict[int, GuidedPlane] = {}

    def keep(self, own: int, around: list[int]) -> None:
        """Drop the planes that neither an image nor its neighbours are."""
        first = min([own, *around])
        self._planes = {image: plane for image, plane in self._planes.items() if image >= first}

    def fuse(self, own: int, around: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the change of an image by its neighbours, and the noise level that is left."""
        with cpu_threads(self._guides.job.runner.threads), torch.inference_mode():
            change, level = fuse(
                self._plane(own),
                [self._plane(image) for image in around],
                self._tensor(self._guides.window.levels[own, :, *self._inside]),  # type: ignore[index]
                self._context.least_levels[own],
            )
            return change.cpu().numpy(), level.cpu().numpy()

    def _plane(self, image: int) -> GuidedPlane:
        if image not in self._planes:
            noisy = self._guides.window.images[image, :, *self._inside]
            guide = self._guides.of(image, self._context.positions[image], self._part)
            known = self._context.known
            self._planes[image] = GuidedPlane.of(
                self._tensor(noisy),
                self._tensor(guide),
                None if known is None else self._tensor(known[image, :, *self._inside]),
            )
        return self._planes[image]

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def _beside(
    job: Job, position: tuple[int, ...], where: dict[tuple[int, ...], int]
) -> Iterator[tuple[int, ...]]:
    """Yield the positions before and after a position that are there."""
    axis = job.context_axis
    for step in range(-job.context, job.context + 1):
        place = (*position[:axis], position[axis] + step, *position[axis + 1 :])
        if step and place in where:
            yield place


def _seen(job: Job, tiles: list[Tile]) -> Part:
    """Return the rows and columns of the plane that some tiles contain."""
    parts = []
    for axis, length in enumerate(job.stack.plane_shape):
        start = min(tile[axis].start for tile in tiles)
        parts.append(slice(start, min(length, max(tile[axis].stop for tile in tiles))))
    return parts[0], parts[1]


def _widened(job: Job, part: Part) -> Part:
    """Add the margin of the weights to a part of a plane."""
    y, x = (
        slice(max(0, along.start - MARGIN), min(length, along.stop + MARGIN))
        for along, length in zip(part, job.stack.plane_shape, strict=True)
    )
    return y, x


def _within(window: Window, part: Part) -> Part:
    return _relative(part, window.y, window.x)


def _relative(part: Part, y: int, x: int) -> Part:
    rows, columns = part
    return slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)


def _pieces(part: Part) -> Iterator[Part]:
    rows, columns = (
        [
            slice(along.start + i * PIECE, min(along.start + (i + 1) * PIECE, along.stop))
            for i in range(math.ceil((along.stop - along.start) / PIECE))
        ]
        for along in part
    )
    yield from product(rows, columns)
