"""Structure of the planes before and after a plane that shows through in its result."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, minimum_filter
from scipy.ndimage import shift as moved_by

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.residual.statistics import Residual

WIDTH = 1.5
LEAST_DIFFERENCE = 2.0
"""Difference of smoothed planes, in deviations of the noise, that only structure reaches."""
LEAST_VARIANCE = 0.5
"""Least variance of the noise, as a fraction of its mean: dark pixels say little."""
BLOCK = 16
FEWEST_BLOCKS = 8
SIGNIFICANT = 6.0
LEAST_LEAK = 0.1
MARGIN = 5
"""Pixels around what is moved by a fraction of a pixel."""

ShiftTo = Callable[[tuple[int, ...], tuple[int, ...]], tuple[float, float]]


def planes_beside(
    stack: Stack, region: Region, axis: int, reach: int, shift_to: ShiftTo | None = None
) -> np.ndarray:
    """Read the mean of the planes before and after a part of a plane.

    Parameters
    ----------
    stack : Stack
        The noisy image.
    region : tuple of slice
        Part of one plane, one slice for each axis before the plane and two for the plane.
    axis : int
        Number of the axis along which planes are neighbours.
    reach : int
        Number of planes on each side.
    shift_to : callable, optional
        Takes the indices along the axes before the plane of the plane and of a neighbour, and
        returns the pixels along Y and X from a place in the plane to the same structure in the
        neighbour, which is moved there.

    Returns
    -------
    numpy.ndarray
        (Y, X), float32; of RGB, the mean of the colours. NaN if there are no neighbours, and where
        one that was moved has no pixels.
    """
    n_leading = len(stack.leading_shape)
    own = tuple(part.start for part in region[:n_leading])
    rows, columns = region[n_leading : n_leading + 2]
    first, last = max(0, own[axis] - reach), min(stack.shape[axis] - 1, own[axis] + reach)
    planes = []
    for number in range(first, last + 1):
        other = (*own[:axis], number, *own[axis + 1 :])
        if other != own:
            shift = shift_to(own, other) if shift_to else (0.0, 0.0)
            planes.append(_read_moved(stack, other, (rows, columns), shift))
    if not planes:
        return np.full((rows.stop - rows.start, columns.stop - columns.start), np.nan, np.float32)
    return np.stack(planes).mean(axis=0, dtype=np.float32)


def _read_moved(
    stack: Stack, position: tuple[int, ...], part: tuple[slice, slice], shift: tuple[float, float]
) -> np.ndarray:
    """Read a part of a plane at another place than its own, (Y, X)."""
    margin = 0 if shift == (0.0, 0.0) else MARGIN
    steps = [round(step) for step in shift]
    wanted = [
        slice(along.start + step - margin, along.stop + step + margin)
        for along, step in zip(part, steps, strict=True)
    ]
    there = [
        slice(min(max(along.start, 0), length - 1), max(min(along.stop, length), 1))
        for along, length in zip(wanted, stack.plane_shape, strict=True)
    ]
    plane = stack.read_plane(position, (there[0], there[1]))
    gray = plane.mean(axis=-1) if stack.is_rgb else plane
    if not margin:
        return gray
    beyond = [
        (has.start - want.start, want.stop - has.stop)
        for want, has in zip(wanted, there, strict=True)
    ]
    known = np.pad(np.isfinite(gray), beyond).astype(np.float32)
    values = np.pad(np.where(np.isfinite(gray), gray, 0).astype(np.float32), beyond, mode="edge")
    back = [full - step for step, full in zip(shift, steps, strict=True)]
    moved = moved_by(values, back, order=3, mode="nearest")
    moved[minimum_filter(known, MARGIN) < 1] = np.nan
    return moved[margin:-margin, margin:-margin]


def measure_leak(residual: Residual, variance: np.ndarray, beside: np.ndarray) -> float:
    """Return how much of the difference from neighbouring planes was mixed into planes.

    Where the noisy planes differ from their neighbours by more than noise explains, the residual is
    compared with this difference and with the plane itself, all of them smoothed, by least squares.
    Averaging with weights that do not see the difference gives the weight of the neighbours.

    Parameters
    ----------
    residual : Residual
        The residual.
    variance : numpy.ndarray
        Variance of the noise, (N, Y, X).
    beside : numpy.ndarray
        Mean of the noisy planes before and after each plane, (N, Y, X); NaN where it is unknown.

    Returns
    -------
    float
        0 to 1; 0 if it is less than `LEAST_LEAK`, not significant, or planes hardly differ.
    """
    known = residual.known & np.isfinite(beside)
    own = np.where(known, residual.noisy, residual.clean)
    scale = np.sqrt(np.maximum(variance, LEAST_VARIANCE * variance.mean()))
    difference, removed, own = (
        gaussian_filter(planes / scale, (0, WIDTH, WIDTH))
        for planes in (np.where(known, beside - own, 0), residual.values, own)
    )
    differs = known & (np.abs(difference) > LEAST_DIFFERENCE)
    plane, row, column = np.nonzero(differs)
    places, block = np.unique(
        np.stack([plane, row // BLOCK, column // BLOCK]), axis=1, return_inverse=True
    )
    if places.shape[1] < FEWEST_BLOCKS:
        return 0.0
    explaining = np.stack([difference[differs], own[differs], np.ones(plane.size)], axis=1)
    solution = np.linalg.lstsq(explaining, removed[differs])[0]
    inverse = np.linalg.pinv(explaining.T @ explaining)
    errors = explaining * (removed[differs] - explaining @ solution)[:, None]
    by_block = np.zeros((places.shape[1], 3))
    np.add.at(by_block, block.ravel(), errors)
    deviation = np.sqrt((inverse @ by_block.T @ by_block @ inverse)[0, 0])
    leak = -float(solution[0])
    return min(leak, 1.0) if leak >= max(LEAST_LEAK, SIGNIFICANT * deviation) else 0.0
