"""How far a pixel of the result depends on its surroundings, measured."""

import torch
from torch import Tensor

from napari_clip_denoise.network.config import InputSizes
from napari_clip_denoise.network.foreign import ForeignNetwork

SIDES = (128, 256, 512)
"""Sides of the images that are tried; a quarter of one is the largest reach that it can show."""
LARGEST_REACH = SIDES[-1] // 4
TOLERANCE = 1e-6
"""Differences below this fraction of the range of the result do not count."""


def measure_reach(network: ForeignNetwork, expected: int = 0) -> int | None:
    """Return how many pixels away a change of the image still changes the result.

    Random values around the middle of a random image are replaced by others; the pixels in the
    middle that keep their result are out of reach.

    Parameters
    ----------
    network : ForeignNetwork
        The network, on the CPU.
    expected : int
        A likely reach; images that are too small to show it are not tried.

    Returns
    -------
    int or None
        In pixels; None if it is larger than can be shown: the network looks at the whole image,
        or takes only one size, too small for this.
    """
    config = network.config
    generator = torch.Generator().manual_seed(0)
    for side in SIDES:
        shape = tuple(_side(sizes, side) for sizes in (config.rows, config.columns))
        if side // 4 <= expected and side != SIDES[-1]:
            continue
        reach = _reach_within(network, shape, generator)
        if reach is not None:
            return reach
    return None


def _side(sizes: InputSizes, side: int) -> int:
    return sizes.padded(max(side, 4 * sizes.step)) if sizes.most is None else sizes.most


def _reach_within(
    network: ForeignNetwork, shape: tuple[int, ...], generator: torch.Generator
) -> int | None:
    """Return the reach if it is smaller than a quarter of the shorter side."""
    config = network.config
    images = 0.5 + torch.randn(2, 1, config.channels, *shape, generator=generator)
    first, other = images
    depth = torch.minimum(
        _depth(config.rows, shape[0])[:, None], _depth(config.columns, shape[1])[None, :]
    )
    with torch.inference_mode():
        before, after = network(first), network(torch.where(depth > 0, first, other))
    difference = (before - after).abs().amax(dim=(0, 1))
    scale = TOLERANCE * float(before.max() - before.min())
    touched = depth[(difference > scale) & (depth > 0)]
    reach = int(touched.max()) if touched.numel() else 0
    return reach if reach < int(depth.max()) else None


def _depth(sizes: InputSizes, length: int) -> Tensor:
    """Return how deep each position lies in the middle half of an axis, from 1; 0 outside it.

    The half begins and ends where a tile may, because the reach of a network with strides depends
    on that.
    """
    start = length // 4 // sizes.align * sizes.align
    half = length // 2
    stop = start + half - (half - sizes.least) % sizes.step
    position = torch.arange(length)
    return torch.minimum(position - start + 1, stop - position).clamp(0)
