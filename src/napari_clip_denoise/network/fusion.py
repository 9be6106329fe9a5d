"""Weighted mean of a plane and its neighbours, which counts them only where they agree.

Whether they agree is seen in guides, the planes denoised one by one: where two guides differ by no
more than their own errors explain, the noisy planes are averaged. See docs/research/neighbours.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_clip_denoise.network.blur import block_means, smooth, smooth_blocks, spread

MARGIN = 152
"""Distance in pixels beyond which nothing changes the mean at a pixel and its noise level; a
multiple of `BLOCK`."""

ERROR_OF_GUIDE = 0.08
"""Variance of a guide's error where the structure is as strong as the noise, as a fraction of the
noise's variance; it grows with the cube root of the structure."""
LEAST_STRUCTURE, MOST_STRUCTURE = 3e-4, 10.0
STRUCTURE_WIDTH = 1.5
DISTANCE_WIDTH = 3.0
EVENT_SIDE = 3
EVENT_WEIGHT = 0.5
EXPLAINED = 1.0
FLATTEST = 0.25
STEEPNESS = 0.25
"""How fast the weight in a mean falls; planes that `agreement` compares must agree better."""
STRICT_STEEPNESS = 0.35
LEAST_AGREEMENT = 0.2
"""Mean weight, of the structure around, at and below which a neighbour is left out; it counts in
full from twice that."""
MATCHED_WIDTH, HAZE_WIDTH = 2.0, 8.0
"""Widths in pixels between which the noisy planes are searched for events of one of them."""
NOISE, MORE_THAN_NOISE = 2.8, 4.5
"""Deviations of the noise up to which a difference is taken for noise, and from which it is not."""
LEVEL_WIDTH = 8.0
"""Width in pixels over which the noise that is left is averaged. A network that has learned of
noise that grows with the signal takes a spot in the noise level for a spot in the image."""
CERTAIN_WIDTH, OWN_WIDTH = 6.0, 16.0
"""Widths in pixels from which on the brightness is that of the plane alone: where neighbours
certainly differ, and everywhere. Guides do not see how little planes may differ there."""
CHANCE, MORE_THAN_CHANCE = 2.0, 4.0
"""Deviations of the noise up to which a wide difference is uncertain, and from which it is not."""
AROUND_WIDTH = 16.0
BLOCK = 8
"""Side in pixels of the largest blocks whose means are smoothed instead of pixels."""
CERTAIN = 0.02
"""Lead in agreement with which a neighbour counts only where it is, or only where it is moved."""
LEAST_LEVEL = 0.2
"""Least noise level, as a fraction of that in the middle of the mapped range."""


@dataclass(frozen=True, eq=False)
class GuidedPlane:
    """A plane and its guide on the network's scale.

    Attributes
    ----------
    noisy, guide : Tensor
        (channels, Y, X), float32.
    known : Tensor or None
        (1, Y, X), 0 where the noisy values were filled in and must not count, else 1.
    structure : Tensor
        (1, Y, X), local variance of the guide.
    moved : GuidedPlane or None
        A neighbour moved by a shift that planes may have; what agrees more counts, see `fuse`.
    """

    noisy: Tensor
    guide: Tensor
    known: Tensor | None
    structure: Tensor
    moved: "GuidedPlane | None" = None

    @classmethod
    def of(cls, noisy: Tensor, guide: Tensor, known: Tensor | None = None) -> "GuidedPlane":
        """Measure the structure of a guide."""
        deviation = guide - smooth(guide, STRUCTURE_WIDTH)
        structure = smooth(deviation.square().mean(0, keepdim=True), STRUCTURE_WIDTH)
        return cls(noisy, guide, known, structure)


def fuse(
    own: GuidedPlane,
    neighbours: Sequence[GuidedPlane],
    level: Tensor,
    least_level: float,
    wide: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Average a plane with its neighbours where they agree.

    Parameters
    ----------
    own : GuidedPlane
        The plane.
    neighbours : sequence of GuidedPlane
        Planes before and after it. Of one that also comes moved, what agrees more counts at each
        pixel: something may drift in front of something that does not.
    level : Tensor
        Standard deviation of the noise of `own` (1, Y, X), finite.
    least_level : float
        Least level to assume when guides are compared, above 0.
    wide : float
        Variance of wide means of the noise over that of independent noise, at least 1.

    Returns
    -------
    change : Tensor
        Mean minus noisy values, (channels, Y, X).
    level : Tensor
        Standard deviation of the noise that is left, (1, Y, X), averaged over the surroundings.
    """
    variance = level.clamp_min(least_level).square()
    weighted = []
    for other in neighbours:
        weight, around = weigh(own, other, variance, wide)
        noisy = other.noisy
        if other.moved is not None:
            weight_moved, around_moved = weigh(own, other.moved, variance, wide)
            lead = weight_moved * around_moved - weight * around
            share = (0.5 + 0.5 * lead / CERTAIN).clamp(0, 1)
            weight = torch.lerp(weight, weight_moved, share)
            noisy = torch.lerp(noisy, other.moved.noisy, share.expand_as(noisy))
        weighted.append((weight, noisy))
    change, share = average(own.noisy, weighted, wide * variance)
    return change, level * share.sqrt()


def average(
    own: Tensor, weighted: Sequence[tuple[Tensor, Tensor]], variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Average a plane with weighted others, but for wide differences.

    Parameters
    ----------
    own : Tensor
        (channels, Y, X).
    weighted : sequence of tuple
        Weights (1, Y, X) from 0 to 1, and noisy values (channels, Y, X), of the others.
    variance : Tensor
        Variance of the noise of each, (1, Y, X), above 0; of noise that pixels share, that of wide
        means times their pixels.

    Returns
    -------
    change : Tensor
        Mean minus `own`, (channels, Y, X).
    share : Tensor
        Part of the noise's variance that is left, (1, Y, X), averaged over the surroundings.
    """
    total, squares = torch.ones_like(variance), torch.zeros_like(variance)
    change = torch.zeros_like(own)
    for weight, noisy in weighted:
        total += weight
        squares += weight.square()
        change += weight * (noisy - own)
    change /= total
    share = 1 / total
    noise = (squares + (total - 1).square()) * share.square() * variance
    change -= (1 - share) * _wide_difference(change, 1 - share, noise)
    return change, smooth_blocks(share, LEVEL_WIDTH, BLOCK // 2)


def _wide_difference(change: Tensor, counted: Tensor, noise: Tensor) -> Tensor:
    """Return how far neighbours differ from a plane in what is wide, where they count."""
    widest = smooth_blocks(torch.cat([change, counted]), OWN_WIDTH, BLOCK)
    parts = torch.cat([change, counted, noise / (4 * math.pi * CERTAIN_WIDTH**2)])
    blocks = block_means(parts, CERTAIN_WIDTH, BLOCK // 2)
    difference, count, noise = blocks.split([len(change), 1, 1])
    deviations = (difference.square().mean(0, keepdim=True) / noise.clamp_min(1e-12)).sqrt()
    strongest = functional.max_pool2d(deviations, 3, stride=1, padding=1)
    certain = ((strongest - CHANCE) / (MORE_THAN_CHANCE - CHANCE)).clamp(0, 1)
    narrower = torch.cat([difference / count.clamp_min(1e-6), certain])
    narrower = spread(narrower, BLOCK // 2, change)
    return torch.lerp(widest[:-1] / widest[-1:].clamp_min(1e-6), narrower[:-1], narrower[-1:])


def agreement(own: GuidedPlane, other: GuidedPlane, variance: Tensor, kept: float = 0.0) -> Tensor:
    """Return how far a neighbour agrees with a plane, from 0 to 1.

    Parameters
    ----------
    own, other : GuidedPlane
        The plane and its neighbour.
    variance : Tensor
        Variance of the noise of `own`, (1, Y, X), above 0.
    kept : float
        Noise that the guides have kept, from `kept_noise`.

    Returns
    -------
    Tensor
        (1, Y, X).
    """
    return _agree(own, other, variance, STRICT_STEEPNESS, kept)[0]


def weigh(
    own: GuidedPlane, other: GuidedPlane, variance: Tensor, wide: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return the weight of a neighbour, and how far it agrees around.

    Parameters
    ----------
    own, other, variance, wide
        See `agreement` and `fuse`.

    Returns
    -------
    weight, around : Tensor
        (1, Y, X), from 0 to 1.
    """
    weight, around = _agree(own, other, variance, STEEPNESS)
    return weight * _without_events(own, other, wide * variance), around


def _without_events(own: GuidedPlane, other: GuidedPlane, variance: Tensor) -> Tensor:
    """Return 0 where noise does not explain a small difference of the noisy planes, else up to 1.

    Guides miss some events that are hardly stronger than the noise. Their matched filter does not.
    """
    difference = other.noisy - own.noisy
    haze = smooth_blocks(difference, HAZE_WIDTH, BLOCK // 4)
    filtered = smooth(difference, MATCHED_WIDTH) - haze
    share = (MATCHED_WIDTH**-2 + HAZE_WIDTH**-2) / (4 * math.pi)
    share -= 1 / (math.pi * (MATCHED_WIDTH**2 + HAZE_WIDTH**2))
    deviations = (filtered.square().mean(0, keepdim=True) / (2 * share * variance)).sqrt()
    strongest = functional.max_pool2d(deviations, EVENT_SIDE, stride=1, padding=EVENT_SIDE // 2)
    return ((MORE_THAN_NOISE - strongest) / (MORE_THAN_NOISE - NOISE)).clamp(0, 1)


def _agree(
    own: GuidedPlane, other: GuidedPlane, variance: Tensor, steepness: float, kept: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return how far a neighbour agrees with a plane, and how far it does around, from 0 to 1."""
    squared, explained = _difference(own, other, variance)
    ratio = squared / (explained + kept)
    distance = torch.maximum(smooth(ratio, DISTANCE_WIDTH), EVENT_WEIGHT * _mean(ratio))
    weight = 1 / (1 + steepness * (distance - EXPLAINED).clamp_min(0))
    if other.known is not None:
        weight = weight * other.known
    contrast = (own.structure + other.structure + 1e-3 * variance).sqrt()
    agreeing, contrasts = block_means(torch.cat([weight * contrast, contrast]), AROUND_WIDTH, BLOCK)
    around = spread((agreeing / contrasts)[None], BLOCK, weight)
    return weight * (around / LEAST_AGREEMENT - 1).clamp(0, 1), around


def kept_noise(own: GuidedPlane, other: GuidedPlane, variance: Tensor) -> float:
    """Return the variance of the noise that guides have kept where they are flattest.

    Guides of correlated noise keep some of it, and differ although the planes agree.

    Parameters
    ----------
    own, other, variance
        See `agreement`.

    Returns
    -------
    float
        Mean squared difference of the guides beyond what their own errors explain, at most twice
        the variance of the noise; 0 if there is none.
    """
    squared, explained = _difference(own, other, variance)
    excess = smooth(squared - explained, DISTANCE_WIDTH).flatten()
    lowest = excess.kthvalue(max(1, int(FLATTEST * excess.numel()))).values
    return float(lowest.clamp_min(0).minimum(2 * variance.median()))


def _difference(own: GuidedPlane, other: GuidedPlane, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared difference of guides, and what their own errors explain of it."""
    structure = torch.minimum(own.structure, other.structure) / variance
    relative = structure.clamp(LEAST_STRUCTURE, MOST_STRUCTURE).pow(1 / 3)
    squared = (other.guide - own.guide).square().mean(0, keepdim=True)
    return squared, ERROR_OF_GUIDE * relative * variance


def _mean(planes: Tensor) -> Tensor:
    padded = functional.pad(planes[None], (EVENT_SIDE // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, EVENT_SIDE, stride=1)[0]
