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
    return sizes.padded(side) if sizes.most is None else sizes.most


def _reach_within(
    network: ForeignNetwork, shape: tuple[int, ...], generator: torch.Generator
) -> int | None:
    """Return the reach if it is smaller than a quarter of the shorter side."""
    channels = network.config.channels
    first, other = (torch.randn(1, channels, *shape, generator=generator) + 0.5 for _ in range(2))
    distance = _distance_inside(shape)
    with torch.inference_mode():
        before, after = network(first), network(torch.where(distance > 0, first, other))
    difference = (before - after).abs().amax(dim=(0, 1))
    scale = TOLERANCE * float(before.max() - before.min())
    touched = distance[(difference > scale) & (distance > 0)]
    reach = int(touched.max()) if touched.numel() else 0
    return reach if reach < int(distance.max()) else None


def _distance_inside(shape: tuple[int, ...]) -> Tensor:
    """Return how deep each pixel (Y, X) lies in the middle half of an image; 0 outside it."""
    along = []
    for length in shape:
        position = torch.arange(length)
        quarter = length // 4
        along.append(torch.minimum(position - quarter + 1, length - quarter - position).clamp(0))
    return torch.minimum(along[0][:, None], along[1][None, :])
