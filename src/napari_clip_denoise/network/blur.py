"""Gaussian blurs of planes on the device: of their pixels, or of the means of blocks."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def smooth(planes: Tensor, width: float) -> Tensor:
    """Blur planes (N, Y, X) by a Gaussian of `width` pixels, with their border repeated."""
    radius = math.ceil(3 * width)
    steps = torch.arange(-radius, radius + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-(steps**2) / (2 * width**2))
    kernel /= kernel.sum()
    padded = functional.pad(planes[:, None], (radius,) * 4, mode="replicate")
    return functional.conv2d(
        functional.conv2d(padded, kernel[None, None, :, None]), kernel[None, None, None]
    )[:, 0]


def smooth_blocks(planes: Tensor, width: float, block: int) -> Tensor:
    """Blur planes (N, Y, X) by a wide Gaussian, applied to the means of blocks."""
    return spread(block_means(planes, width, block), block, planes)


def block_means(planes: Tensor, width: float, block: int) -> Tensor:
    """Return the blurred means of blocks, (N, blocks, blocks)."""
    height, columns = planes.shape[-2:]
    padding = (0, -columns % block, 0, -height % block)
    padded = functional.pad(planes[None], padding, mode="replicate")
    return smooth(functional.avg_pool2d(padded, block)[0], width / block)


def spread(blocks: Tensor, block: int, planes: Tensor) -> Tensor:
    """Interpolate the values of blocks at the pixels of planes."""
    height, columns = planes.shape[-2:]
    pixels = functional.interpolate(blocks[None], scale_factor=block, mode="bilinear")[0]
    return pixels[:, :height, :columns]
