"""How far the planes of a stack agree with their neighbours, from a small sample."""

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.images.sampling import evenly
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.estimate import estimate_noise

PAIRS = 4
SIDE = 256
FINE, COARSE = 1.5, 12.0
"""Widths in pixels between which structure is compared: finer there is noise, coarser haze."""
LIKELY, UNLIKELY = 0.9, 0.5
LEAST_STRUCTURE = 2.0
"""Least variance of the structure, as a multiple of that of the noise that is left in it."""


def measure_agreement(stack: Stack, wanted: str | None = None) -> float | None:
    """Return the correlation of the structure of neighbouring planes, corrected for noise.

    Parameters
    ----------
    stack : Stack
        The image. Windows of at most 256 x 256 pixels of a few planes are read.
    wanted : str, optional
        Axis along which planes are neighbours; by default the last one before the plane.

    Returns
    -------
    float or None
        About 1 where planes hold the same structure, 0 where they have nothing in common; None if
        there are no neighbours, or the noise hides the structure.
    """
    try:
        axis = neighbour_axis(stack.axes, wanted)
    except InputError:
        return None
    depth = stack.shape[axis]
    if depth < 2:
        return None
    window = tuple(
        slice(max(0, (length - SIDE) // 2), max(0, (length - SIDE) // 2) + min(length, SIDE))
        for length in stack.plane_shape
    )
    shared = structure = left = 0.0
    for first in evenly(depth - 1, PAIRS):
        planes = []
        for number in (first, first + 1):
            position = [size // 2 for size in stack.leading_shape]
            position[axis] = int(number)
            plane = stack.read_plane(position, window)  # type: ignore[arg-type]
            planes.append(np.nan_to_num(plane.reshape(*plane.shape[:2], -1).mean(2)))
        bands = [_band(plane) for plane in planes]
        noise = estimate_noise(planes)
        level = 0.0 if noise is None else float(noise.variance(np.mean(planes)))
        noise_left = level * _share_of_noise()
        shared += 2 * float(np.mean(bands[0] * bands[1]))
        structure += sum(float(np.mean(np.square(band))) for band in bands) - 2 * noise_left
        left += 2 * noise_left
    if structure <= LEAST_STRUCTURE * left or structure <= 0:
        return None
    return min(1.0, shared / structure)


def agreement_in_words(agreement: float | None, axis: str) -> str:
    """Say what an agreement means for the use of neighbours; empty if nothing is known."""
    if agreement is None:
        return ""
    if agreement >= LIKELY:
        return f"Neighbouring planes along {axis} look alike: 'Use neighbours' is likely to help."
    if agreement < UNLIKELY:
        return f"Neighbouring planes along {axis} differ: 'Use neighbours' will hardly help."
    return (
        f"Neighbouring planes along {axis} are partly alike: see in the preview whether 'Use "
        "neighbours' helps."
    )


def _band(plane: np.ndarray) -> np.ndarray:
    fine, coarse = (gaussian_filter(plane.astype(np.float32), width) for width in (FINE, COARSE))
    return fine - coarse


def _share_of_noise() -> float:
    """Return the variance that `_band` leaves of white noise with variance 1."""
    impulse = np.zeros((97, 97), np.float32)
    impulse[48, 48] = 1
    return float(np.square(_band(impulse)).sum())
