"""Planes of a region, each averaged with its neighbours, as input of the network."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import torch

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.engine import cpu_threads
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.neighbours.aligned import REACH, Part, aligned
from napari_clip_denoise.inference.engine.neighbours.context import (
    Context,
    images_beside,
    planes_with_neighbours,
)
from napari_clip_denoise.inference.engine.neighbours.guides import Guides, tiles_over
from napari_clip_denoise.inference.engine.tiles import Tile, Window
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.network.fusion import MARGIN, GuidedPlane, fuse

PIECE = 1024
"""Side in pixels of the pieces that are averaged at a time."""


def guide_margin(job: Job) -> int:
    """Return how far guides must reach beyond the tiles that they are for, in pixels."""
    return MARGIN + (REACH if job.drift else 0)


def part_with_margin(job: Job, tiles: list[Tile]) -> Part:
    """Return the rows and columns that the guides of some tiles need."""
    return _seen(job, tiles_over(job, _widened(job, _seen(job, tiles), guide_margin(job))))


def count_guides(job: Job, region: Region, tiles: list[Tile]) -> int:
    """Return the number of tiles of guides that a region with these tiles needs."""
    leading = planes_with_neighbours(job, region)[: len(job.stack.leading_shape)]
    n_planes = math.prod(part.stop - part.start for part in leading)
    return n_planes * len(tiles_over(job, _widened(job, _seen(job, tiles), guide_margin(job))))


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
    guides = Guides(job, window, cancel)
    where = {position: image for image, position in enumerate(context.positions)}
    for part in _pieces(seen):
        wide = _widened(job, part, MARGIN)
        planes = _Planes(guides, context, wide)
        for number, own in enumerate(context.own):
            around = list(images_beside(job, context.positions[own], where))
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
                [self._beside(own, image) for image in around],
                self._tensor(self._guides.window.levels[own, :, *self._inside]),  # type: ignore[index]
                self._context.least_levels[own],
                self._context.wide[own],
            )
            return change.cpu().numpy(), level.cpu().numpy()

    def _plane(self, image: int) -> GuidedPlane:
        if image not in self._planes:
            self._planes[image] = GuidedPlane.of(*self._read(image, self._part))
        return self._planes[image]

    def _beside(self, own: int, image: int) -> GuidedPlane:
        """Return a neighbour, with what it is when moved if planes drift."""
        plane = self._plane(image)
        shift = self._context.shifts.get((own, image), (0.0, 0.0))
        if shift == (0.0, 0.0):
            return plane
        plane_shape = self._guides.job.stack.plane_shape
        moved = aligned(partial(self._read, image), self._part, shift, plane_shape)
        return replace(plane, moved=moved)

    def _read(
        self, image: int, part: Part
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return a part of an image, its guide, and where it is known."""
        window, known = self._guides.window, self._context.known
        inside = _within(window, part)
        guide = self._guides.of(image, self._context.positions[image], part)
        return (
            self._tensor(window.images[image, :, *inside]),
            self._tensor(guide),
            None if known is None else self._tensor(known[image, :, *inside]),
        )

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(self._device)


def _seen(job: Job, tiles: list[Tile]) -> Part:
    """Return the rows and columns of the plane that some tiles contain."""
    parts = []
    for axis, length in enumerate(job.stack.plane_shape):
        start = min(tile[axis].start for tile in tiles)
        parts.append(slice(start, min(length, max(tile[axis].stop for tile in tiles))))
    return parts[0], parts[1]


def _widened(job: Job, part: Part, margin: int) -> Part:
    """Add a margin to a part of a plane, as far as there are pixels."""
    y, x = (
        slice(max(0, along.start - margin), min(length, along.stop + margin))
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
