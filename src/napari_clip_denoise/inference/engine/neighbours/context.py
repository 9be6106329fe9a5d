"""Which images are averaged: those of a region, and of the planes before and after them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.measured.drift import Shift
from napari_clip_denoise.network.fusion import LEAST_LEVEL


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
    wide : list of float
        Variance of wide means of each image's noise over that of independent noise.
    shifts : dict
        Pixels along Y and X from a place in an image of the region to the same structure in a
        neighbour, by the numbers of both; (0, 0) where there is no entry.
    """

    positions: list[tuple[int, ...]]
    own: list[int]
    known: np.ndarray | None
    least_levels: list[float]
    wide: list[float]
    shifts: dict[tuple[int, int], Shift]


def planes_with_neighbours(job: Job, region: Region) -> Region:
    """Extend a region by the planes before and after it, as far as there are any."""
    if not job.context:
        return region
    along = region[job.context_axis]
    depth = job.stack.shape[job.context_axis]
    extended = slice(max(0, along.start - job.context), min(depth, along.stop + job.context))
    return (*region[: job.context_axis], extended, *region[job.context_axis + 1 :])


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
    mappings = list(job.mappings_of(extended))
    least = [
        LEAST_LEVEL * float(mapping.noise_level(np.array((mapping.low + mapping.high) / 2)))
        for mapping in mappings
    ]
    wide = [1.0 if mapping.noise is None else mapping.noise.wide for mapping in mappings]
    images = list(product(range(len(planes)), range(per_plane)))
    positions = [(*planes[plane], number) for plane, number in images]
    own = [i for i, (plane, _) in enumerate(images) if is_own[plane]]
    return Context(
        positions=positions,
        own=own,
        known=known,
        least_levels=[least[plane] for plane, _ in images],
        wide=[wide[plane] for plane, _ in images],
        shifts=_shifts(job, positions, own) if job.drift else {},
    )


def _shifts(
    job: Job, positions: list[tuple[int, ...]], own: list[int]
) -> dict[tuple[int, int], Shift]:
    """Return the shift of each neighbour of each image, by their numbers."""
    assert job.drift is not None
    where = {position: image for image, position in enumerate(positions)}
    pairs = [
        (image, other) for image in own for other in images_beside(job, positions[image], where)
    ]
    return {
        (image, other): job.drift.between(positions[image][:-1], positions[other][:-1])
        for image, other in pairs
    }


def images_beside(
    job: Job, position: tuple[int, ...], where: dict[tuple[int, ...], int]
) -> Iterator[int]:
    """Yield the images before and after a position that are there."""
    axis = job.context_axis
    for step in range(-job.context, job.context + 1):
        place = (*position[:axis], position[axis] + step, *position[axis + 1 :])
        if step and place in where:
            yield where[place]
