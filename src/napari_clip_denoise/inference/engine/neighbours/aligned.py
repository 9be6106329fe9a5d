"""Neighbours that are moved to where a plane shows the same structure."""

from collections.abc import Callable

import torch
import torch.nn.functional as nn
from torch import Tensor

from napari_clip_denoise.inference.engine.measured.drift import MOST, Shift
from napari_clip_denoise.network.fusion import GuidedPlane
from napari_clip_denoise.network.translation import RADIUS, translate

REACH = MOST + 1 + RADIUS
"""Distance in pixels from which values can come."""

Part = tuple[slice, slice]


def aligned(
    read: Callable[[Part], tuple[Tensor, Tensor, Tensor | None]],
    part: Part,
    shift: Shift,
    plane_shape: tuple[int, int],
) -> GuidedPlane:
    """Move a neighbour by a shift.

    Parameters
    ----------
    read : callable
        Takes rows and columns of the neighbour and returns its noisy values and its guide,
        (channels, Y, X), and where they are known, (1, Y, X), or None if everywhere.
    part : (slice, slice)
        Rows and columns of the plane.
    shift : (float, float)
        Pixels from a place in the plane to the same structure in the neighbour, along Y and X.
    plane_shape : (int, int)
        Height and width of a plane.

    Returns
    -------
    GuidedPlane
        The neighbour at `part`; unknown where it has no pixels.
    """
    whole = [round(step) for step in shift]
    wanted = [
        slice(along.start + step - RADIUS, along.stop + step + RADIUS)
        for along, step in zip(part, whole, strict=True)
    ]
    rows, columns = (
        slice(max(0, along.start), min(length, along.stop))
        for along, length in zip(wanted, plane_shape, strict=True)
    )
    beyond = (
        columns.start - wanted[1].start,
        wanted[1].stop - columns.stop,
        rows.start - wanted[0].start,
        wanted[0].stop - rows.stop,
    )
    own, own_guide, known = read((rows, columns))
    y, x = (step - full for step, full in zip(shift, whole, strict=True))
    noisy, guide = (
        translate(nn.pad(planes, beyond, mode="replicate"), y, x) for planes in (own, own_guide)
    )
    unknown = torch.zeros_like(own[:1]) if known is None else 1 - known
    unknown = nn.max_pool2d(nn.pad(unknown, beyond, value=1), 3, stride=1, padding=1)
    inside = slice(RADIUS, -RADIUS)
    return GuidedPlane.of(noisy, guide, 1 - unknown[:, inside, inside])
