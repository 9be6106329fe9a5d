"""Averaging what a network makes of the same planes in all their orientations."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

ORIENTATIONS = tuple(product(range(4), (False, True)))
"""Quarter turns, and whether the plane is mirrored first: the eight symmetries of a square."""


def self_ensemble(network: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Run a network on the eight turned and mirrored copies of a batch, and average.

    The errors it makes of the same noise in different orientations are in part independent. It
    takes eight times as long and hardly more memory.

    Parameters
    ----------
    network : callable
        Gives a tensor of the shape of its input.
    batch : torch.Tensor
        (N, C, H, W); turned copies are (N, C, W, H).

    Returns
    -------
    torch.Tensor
        (N, C, H, W), float32.

    References
    ----------
    "Geometric self-ensemble" of Lim et al., "Enhanced Deep Residual Networks for Single Image
    Super-Resolution", CVPR workshops 2017.
    """
    total = torch.zeros_like(batch, dtype=torch.float32)
    for turns, is_mirrored in ORIENTATIONS:
        copy = batch.flip(-1) if is_mirrored else batch
        copy = copy.rot90(turns, (-2, -1)).contiguous(memory_format=torch.channels_last)
        result = network(copy).float().rot90(-turns, (-2, -1))
        total += result.flip(-1) if is_mirrored else result
    return total / len(ORIENTATIONS)
