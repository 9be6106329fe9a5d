"""Translation of planes by a fraction of a pixel, which depends on a few pixels around alone."""

import torch
import torch.nn.functional as nn
from torch import Tensor

RADIUS = 4
"""Reach of the interpolation in pixels."""


def translate(planes: Tensor, y: float, x: float) -> Tensor:
    """Return the values of planes between their pixels, by a windowed sinc (Lanczos).

    Parameters
    ----------
    planes : Tensor
        (N, Y, X).
    y, x : float
        Where to take each value, in pixels below and to the right of its own place, between -1
        and 1.

    Returns
    -------
    Tensor
        (N, Y - 2 * RADIUS, X - 2 * RADIUS); the border is cut off.
    """
    rows, columns = (_kernel(planes, step) for step in (y, x))
    moved = nn.conv2d(planes[:, None], rows[None, None, :, None])
    return nn.conv2d(moved, columns[None, None, None])[:, 0]


def _kernel(planes: Tensor, step: float) -> Tensor:
    at = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64) - step
    weights = torch.sinc(at) * torch.sinc(at / RADIUS) * (at.abs() < RADIUS)
    return (weights / weights.sum()).to(planes)
