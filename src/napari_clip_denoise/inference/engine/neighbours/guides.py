"""Guides: planes denoised one by one, each of them only once as far as memory allows."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.tiles import Tile, Window, sum_changes
from napari_clip_denoise.inference.progress import CancelToken


@dataclass(frozen=True)
class Guides:
    """Maker of the guides of a region.

    Each tile goes through the network by itself. Its bytes therefore do not depend on the region
    that needs it first, and neither do those of the result.

    Attributes
    ----------
    job : Job
        Model, tile grid and cache.
    window : Window
        Planes on the network's scale.
    cancel : CancelToken or None
        Token that is checked before each tile and within the network.
    """

    job: Job
    window: Window
    cancel: CancelToken | None = None

    def of(self, image: int, position: Hashable, part: tuple[slice, slice]) -> np.ndarray:
        """Return the guide of a part of an image.

        Parameters
        ----------
        image : int
            Index in the window.
        position : hashable
            Place of the image in the source.
        part : (slice, slice)
            Rows and columns of the plane.

        Returns
        -------
        numpy.ndarray
            (channels, Y, X), float32.
        """
        y, x = part
        noisy = self.window.images[
            image,
            :,
            y.start - self.window.y : y.stop - self.window.y,
            x.start - self.window.x : x.stop - self.window.x,
        ]
        guide = noisy.copy()
        for tile in tiles_over(self.job, part):
            sides = ((a.start, a.stop, a.weight_start, a.weight_stop) for a in tile)
            key = position, self.job.runner, *sides
            change = self.job.guides.get(key, partial(self._change, image, tile))
            inside, outside = [], []
            for along, kept in zip(tile, part, strict=True):
                start, stop = max(along.weight_start, kept.start), min(along.weight_stop, kept.stop)
                inside.append(slice(start - along.weight_start, stop - along.weight_start))
                outside.append(slice(start - kept.start, stop - kept.start))
            guide[:, *outside] += change[:, *inside]
        return guide

    def _change(self, image: int, tile: Tile) -> np.ndarray:
        window = self.window
        levels = None if window.levels is None else window.levels[image : image + 1]
        one = Window(
            window.images[image : image + 1],
            levels,
            window.keeps_mean[image : image + 1],
            window.y,
            window.x,
            [tile],
        )
        job = replace(self.job, batch=1, self_ensemble=False)
        part = tuple(slice(along.weight_start, along.weight_stop) for along in tile)
        buffers = BufferPool()  # one with larger arrays would lend them for as long as it is kept
        change = sum_changes(job, one, part, buffers, cancel=self.cancel)  # type: ignore[arg-type]
        return change[0]


def tiles_over(job: Job, part: tuple[slice, slice]) -> list[Tile]:
    """Return the tiles of guides that cover a part of a plane."""
    grid = zip(job.guide_grid, part, strict=True)
    rows, columns = (
        [t for t in tiles if t.weight_start < along.stop and t.weight_stop > along.start]
        for tiles, along in grid
    )
    return list(product(rows, columns))
