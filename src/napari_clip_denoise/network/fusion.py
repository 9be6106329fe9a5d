"""Weighted mean of a plane and its neighbours, which counts them only where they agree.

Whether they agree is seen in guides, the planes denoised one by one: where two guides differ by no
more than their own errors explain, the noisy planes are averaged. See docs/research/neighbours.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as nn
from torch import Tensor

MARGIN = 80
"""Distance in pixels beyond which nothing changes the weight of a pixel."""

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
STEEPNESS = 0.35
LEAST_AGREEMENT = 0.15
"""Mean weight, of the structure around, at and below which a neighbour is left out; it counts in
full from twice that."""
BLOCK = 8
AROUND_WIDTH = 2.0
"""Width of "around" in blocks."""
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
    """

    noisy: Tensor
    guide: Tensor
    known: Tensor | None
    structure: Tensor

    @classmethod
    def of(cls, noisy: Tensor, guide: Tensor, known: Tensor | None = None) -> "GuidedPlane":
        """Measure the structure of a guide."""
        deviation = guide - smooth(guide, STRUCTURE_WIDTH)
        structure = smooth(deviation.square().mean(0, keepdim=True), STRUCTURE_WIDTH)
        return cls(noisy, guide, known, structure)


def fuse(
    own: GuidedPlane, neighbours: Sequence[GuidedPlane], level: Tensor, least_level: float
) -> tuple[Tensor, Tensor]:
    """Average a plane with its neighbours where they agree.

    Parameters
    ----------
    own : GuidedPlane
        The plane.
    neighbours : sequence of GuidedPlane
        Planes before and after it.
    level : Tensor
        Standard deviation of the noise of `own` (1, Y, X), finite.
    least_level : float
        Least level to assume when guides are compared, above 0.

    Returns
    -------
    change : Tensor
        Mean minus noisy values, (channels, Y, X).
    level : Tensor
        Standard deviation of the noise that is left, (1, Y, X).
    """
    variance = level.clamp_min(least_level).square()
    total = torch.ones_like(level)
    change = torch.zeros_like(own.noisy)
    for other in neighbours:
        weight = agreement(own, other, variance)
        total += weight
        change += weight * (other.noisy - own.noisy)
    return change / total, level / total.sqrt()


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
    squared, explained = _difference(own, other, variance)
    ratio = squared / (explained + kept)
    distance = torch.maximum(smooth(ratio, DISTANCE_WIDTH), EVENT_WEIGHT * _mean(ratio))
    weight = 1 / (1 + STEEPNESS * (distance - EXPLAINED).clamp_min(0))
    if other.known is not None:
        weight = weight * other.known
    contrast = (own.structure + other.structure + 1e-3 * variance).sqrt()
    around = _around(weight * contrast) / _around(contrast)
    shape = weight.shape[-2:]
    scale = nn.interpolate(around[None], scale_factor=BLOCK, mode="bilinear")[0]
    scale = (scale[:, : shape[0], : shape[1]] / LEAST_AGREEMENT - 1).clamp(0, 1)
    return weight * scale


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


def smooth(planes: Tensor, width: float) -> Tensor:
    """Blur planes (N, Y, X) by a Gaussian, with their border repeated."""
    radius = math.ceil(3 * width)
    steps = torch.arange(-radius, radius + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-(steps**2) / (2 * width**2))
    kernel /= kernel.sum()
    padded = nn.pad(planes[:, None], (radius,) * 4, mode="replicate")
    return nn.conv2d(nn.conv2d(padded, kernel[None, None, :, None]), kernel[None, None, None])[:, 0]


def _mean(planes: Tensor) -> Tensor:
    padded = nn.pad(planes[None], (EVENT_SIDE // 2,) * 4, mode="replicate")
    return nn.avg_pool2d(padded, EVENT_SIDE, stride=1)[0]


def _around(planes: Tensor) -> Tensor:
    """Return the mean around each block of `BLOCK` x `BLOCK` pixels, (N, blocks, blocks)."""
    height, width = planes.shape[-2:]
    padded = nn.pad(planes[None], (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    return smooth(nn.avg_pool2d(padded, BLOCK)[0], AROUND_WIDTH)
