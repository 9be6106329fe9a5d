"""Rewriting a denoiser for inference."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.fused import speed_up

_STEM = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
_DOWNSAMPLE = (("0", "1"),)


def fold(denoiser: Denoiser, *, for_cpu: bool = False) -> Denoiser:
    """Copy a denoiser with batch normalisation folded into the convolutions.

    The copy computes the same function up to rounding, in evaluation mode, with weights in
    ``channels_last`` layout, and is not meant for training.

    Parameters
    ----------
    denoiser : Denoiser
        Left as it is.
    for_cpu : bool
        Whether to use what is faster for float32 on the CPU, see `speed_up`.

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
        if for_cpu:
            speed_up(folded)
    return folded.to(memory_format=torch.channels_last)


def _fold_pairs(module: nn.Module, pairs: tuple[tuple[str, str], ...]) -> None:
    for conv_name, norm_name in pairs:
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        module.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
        module.set_submodule(norm_name, nn.Identity())
