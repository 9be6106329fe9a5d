"""How far the planes of a stack agree with their neighbours, from a small sample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as moved_by

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.images.intensity import ChannelMapping, IntensityMapping
from napari_clip_denoise.images.sampling import evenly
from napari_clip_denoise.images.stack import Stack, as_stack
from napari_clip_denoise.inference.engine.measured.drift import Drift, Shift
from napari_clip_denoise.noise.estimate import estimate_noise

PAIRS = 4
SIDE = 256
FINE, COARSE = 1.5, 12.0
"""Widths in pixels between which structure is compared: finer there is noise, coarser haze."""
RANGE = 0.5, 99.5
"""Per cent of the values of a pair below those that are taken as 0 and 1 to measure a shift."""
LEAST_GAIN = 0.5
"""Part of the disagreement that a shift must explain to be told as a drift."""
LIKELY, UNLIKELY = 0.9, 0.5
LEAST_STRUCTURE = 2.0
"""Least variance of the structure, as a multiple of that of the noise that is left in it."""

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """How far the planes of a stack agree with the next ones.

    Attributes
    ----------
    correlation : float
        That of the structure of neighbouring planes, corrected for noise: about 1 where planes hold
        the same structure, 0 where they have nothing in common. If planes drift, one of them was
        moved before.
    drift : float
        Length in pixels of the shift from one plane to the next; 0 unless most planes drift, and
        agree much more once they are aligned.
    """

    correlation: float
    drift: float = 0.0


def measure_agreement(stack: Stack, wanted: str | None = None) -> Agreement | None:
    """Measure how far neighbouring planes agree, and if they drift.

    Parameters
    ----------
    stack : Stack
        The image. Windows of at most 256 x 256 pixels of a few planes are read.
    wanted : str, optional
        Axis along which planes are neighbours; by default the last one before the plane.

    Returns
    -------
    Agreement or None
        None if there are no neighbours, or the noise hides the structure.
    """
    try:
        axis = neighbour_axis(stack.axes, wanted)
    except InputError:
        return None
    if stack.shape[axis] < 2:
        return None
    pairs = _sample(stack, axis)
    noise_left = [_noise_left(pair) for pair in pairs]
    bands = [(_band(own), _band(other)) for own, other in pairs]
    correlation = _correlate(bands, noise_left)
    if correlation is None:
        return None
    shifts = [_shift(pair) for pair in pairs]
    lengths = [float(np.hypot(*shift)) for shift in shifts if shift != (0.0, 0.0)]
    if 2 * len(lengths) > len(pairs):
        aligned = [_both_at(*pair, shift) for pair, shift in zip(bands, shifts, strict=True)]
        after = _correlate(aligned, noise_left)
        if after is not None and after - correlation > LEAST_GAIN * (1 - correlation):
            return Agreement(after, float(np.median(lengths)))
    return Agreement(correlation)


def _correlate(bands: Sequence[Pair], noise_left: Sequence[float]) -> float | None:
    """Return the correlation of pairs of bands, at most 1; None if noise hides the structure."""
    shared = sum(2 * float(np.mean(own * other)) for own, other in bands)
    left = 2 * sum(noise_left)
    structure = sum(float(np.mean(np.square(band))) for pair in bands for band in pair) - left
    if structure <= LEAST_STRUCTURE * left or structure <= 0:
        return None
    return min(1.0, shared / structure)


def _noise_left(pair: Pair) -> float:
    """Return the variance of the noise that is left in a band of one of two planes."""
    noise = estimate_noise(list(pair))
    level = 0.0 if noise is None else float(noise.variance(np.asarray(np.mean(pair))))
    return level * _share_of_noise()


def agreement_in_words(agreement: Agreement | None, axis: str) -> str:
    """Say what an agreement means for the use of neighbours; empty if nothing is known."""
    if agreement is None:
        return ""
    is_likely, is_unlikely = agreement.correlation >= LIKELY, agreement.correlation < UNLIKELY
    if agreement.drift:
        planes = f"Neighbouring planes along {axis} drift by about {agreement.drift:.2g} pixels"
        if is_unlikely:
            return (
                f"{planes} and differ even when aligned: 'Use neighbours' will hardly help, with "
                "'Align planes' or without."
            )
        if is_likely:
            return (
                f"{planes} and look alike once they are aligned: 'Use neighbours' with 'Align "
                "planes' is likely to help."
            )
        return (
            f"{planes} and are partly alike once they are aligned: if you use neighbours, 'Align "
            "planes' is likely to help."
        )
    if is_likely:
        return f"Neighbouring planes along {axis} look alike: 'Use neighbours' is likely to help."
    if is_unlikely:
        return f"Neighbouring planes along {axis} differ: 'Use neighbours' will hardly help."
    return (
        f"Neighbouring planes along {axis} are partly alike: see in the preview whether 'Use "
        "neighbours' helps."
    )


def _sample(stack: Stack, axis: int) -> list[Pair]:
    """Read the middle of some planes, (Y, X), each with that of the next one."""
    window = tuple(
        slice(max(0, (length - SIDE) // 2), max(0, (length - SIDE) // 2) + min(length, SIDE))
        for length in stack.plane_shape
    )
    pairs = []
    for first in evenly(stack.shape[axis] - 1, PAIRS):
        planes = []
        for number in (first, first + 1):
            position = [size // 2 for size in stack.leading_shape]
            position[axis] = int(number)
            plane = stack.read_plane(position, window)  # type: ignore[arg-type]
            planes.append(np.nan_to_num(plane.reshape(*plane.shape[:2], -1).mean(2)))
        pairs.append((planes[0], planes[1]))
    return pairs


def _shift(pair: Pair) -> Shift:
    """Return the pixels from a place in the first plane to the same structure in the second."""
    low, high = np.percentile(pair, RANGE)
    if not low < high:
        return 0.0, 0.0
    mapping = IntensityMapping((ChannelMapping(float(low), float(high)),))
    return Drift(as_stack(np.stack(pair), "zyx"), mapping).between((0,), (1,))


def _both_at(own: np.ndarray, other: np.ndarray, shift: Shift) -> Pair:
    """Return what two planes show at the same places, the second of them moved."""
    if shift == (0.0, 0.0):
        return own, other
    moved = moved_by(other, [-step for step in shift], order=3, mode="nearest")
    inside = tuple(
        slice(max(0, math.ceil(-step)), length - max(0, math.ceil(step)))
        for step, length in zip(shift, own.shape, strict=True)
    )
    return own[inside], moved[inside]


def _band(plane: np.ndarray) -> np.ndarray:
    fine, coarse = (gaussian_filter(plane.astype(np.float32), width) for width in (FINE, COARSE))
    return fine - coarse


def _share_of_noise() -> float:
    """Return the variance that `_band` leaves of white noise with variance 1."""
    impulse = np.zeros((97, 97), np.float32)
    impulse[48, 48] = 1
    return float(np.square(_band(impulse)).sum())
