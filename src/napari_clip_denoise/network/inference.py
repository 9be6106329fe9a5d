"""Optimisation of a denoiser for inference, and self-ensembling over orientations."""

import copy
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_clip_denoise.network.denoiser import Denoiser

Network = Callable[..., Tensor]
"""Maps noisy images, and their noise level if it is told, to denoised images."""
ORIENTATIONS = tuple(product(range(4), (False, True)))
"""The eight symmetries of a square: quarter turns, and whether to mirror the plane first."""
_STEM = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
_DOWNSAMPLE = (("0", "1"),)


def fold(denoiser: Denoiser) -> Denoiser:
    """Copy a denoiser with batch normalisation folded into the convolutions.

    The copy computes the same function up to rounding. It is in evaluation mode with weights in
    ``channels_last`` layout, and not meant for training. Its last convolution runs in float32 even
    under autocast, because in bfloat16 an image would have only 256 levels.

    Parameters
    ----------
    denoiser : Denoiser
        The denoiser, which is not modified.

    Returns
    -------
    Denoiser
        The folded copy.
    """
    folded = copy.deepcopy(denoiser).eval().requires_grad_(False)
    with torch.no_grad():
        _fold_pairs(folded.encoder, _STEM)
        for stage in folded.encoder.stages:
            for bottleneck in stage.children():
                _fold_pairs(bottleneck, _STEM)
                if isinstance(bottleneck.downsample, nn.Module):
                    _fold_pairs(bottleneck.downsample, _DOWNSAMPLE)
    folded.set_submodule("decoder.last", FullPrecision(folded.decoder.last))
    return folded.to(memory_format=torch.channels_last)


def predict(network: Network, noisy: Tensor, level: Tensor | None) -> Tensor:
    """Run a network, with the noise level if there is one.

    Parameters
    ----------
    network : callable
        The network.
    noisy : torch.Tensor
        Noisy images (N, C, H, W).
    level : torch.Tensor or None
        Noise level (N, 1, H, W).
    """
    return network(noisy) if level is None else network(noisy, level)


def self_ensemble(network: Network, batch: Tensor, level: Tensor | None = None) -> Tensor:
    """Run a network on the eight rotated and mirrored copies of a batch, and average the results.

    The network's errors in different orientations are partly independent, so averaging reduces
    them. This takes eight times as long, but hardly more memory.

    Parameters
    ----------
    network : callable
        Maps a tensor, and the level if there is one, to a tensor of the same shape.
    batch : torch.Tensor
        (N, C, H, W); rotated copies are (N, C, W, H).
    level : torch.Tensor, optional
        Noise level (N, 1, H, W), which is rotated and mirrored with the batch.

    Returns
    -------
    torch.Tensor
        Mean result (N, C, H, W), float32.

    References
    ----------
    "Geometric self-ensemble" of Lim et al., "Enhanced Deep Residual Networks for Single Image
    Super-Resolution", CVPR workshops 2017.
    """
    total = torch.zeros_like(batch, dtype=torch.float32)
    for turns, is_mirrored in ORIENTATIONS:
        turned = [
            (given.flip(-1) if is_mirrored else given)
            .rot90(turns, (-2, -1))
            .contiguous(memory_format=torch.channels_last)
            for given in ((batch,) if level is None else (batch, level))
        ]
        result = network(*turned).float().rot90(-turns, (-2, -1))
        total += result.flip(-1) if is_mirrored else result
    return total / len(ORIENTATIONS)


class FullPrecision(nn.Module):
    """A wrapper that runs a module in float32, regardless of input type and autocast.

    Parameters
    ----------
    module : torch.nn.Module
        The module to wrap.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module to `x` converted to float32."""
        with torch.autocast(x.device.type, enabled=False):
            return self.module(x.float())


def _fold_pairs(module: nn.Module, pairs: tuple[tuple[str, str], ...]) -> None:
    for conv_name, norm_name in pairs:
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        module.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
        module.set_submodule(norm_name, nn.Identity())
