"""A denoiser made ready for inference, and averaged over orientations."""

import copy
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_clip_denoise.network.denoiser import Denoiser

ORIENTATIONS = tuple(product(range(4), (False, True)))
"""Quarter turns, and whether the plane is mirrored first: the eight symmetries of a square."""
_STEM = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
_DOWNSAMPLE = (("0", "1"),)


def fold(denoiser: Denoiser) -> Denoiser:
    """Copy a denoiser with batch normalisation folded into the convolutions.

    The copy computes the same function up to rounding, in evaluation mode, with weights in
    ``channels_last`` layout, and is not meant for training. Its last convolution is computed in
    float32 under autocast, too: in bfloat16 an image would have 256 levels.

    Parameters
    ----------
    denoiser : Denoiser
        Left as it is.

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
        turned = batch.flip(-1) if is_mirrored else batch
        turned = turned.rot90(turns, (-2, -1)).contiguous(memory_format=torch.channels_last)
        result = network(turned).float().rot90(-turns, (-2, -1))
        total += result.flip(-1) if is_mirrored else result
    return total / len(ORIENTATIONS)


class FullPrecision(nn.Module):
    """A module that computes in float32, whatever comes in and whatever autocast says."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 or less to float32."""
        with torch.autocast(x.device.type, enabled=False):
            return self.module(x.float())


def _fold_pairs(module: nn.Module, pairs: tuple[tuple[str, str], ...]) -> None:
    for conv_name, norm_name in pairs:
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        module.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
        module.set_submodule(norm_name, nn.Identity())
