"""Rewriting a denoiser for inference."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.fused import speed_up

_STEM = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
_DOWNSAMPLE = (("0", "1"),)


def fold(denoiser: Denoiser, *, for_cpu: torch.dtype | None = None) -> Denoiser:
    """Copy a denoiser with batch normalisation folded into the convolutions.

    The copy computes the same function up to rounding, in evaluation mode, with weights in
    ``channels_last`` layout, and is not meant for training. Its last convolution is computed in
    float32 under autocast, too: in bfloat16 an image would have 256 levels.

    Parameters
    ----------
    denoiser : Denoiser
        Left as it is.
    for_cpu : torch.dtype, optional
        Precision for which to use what is faster on the CPU, see `speed_up`. The copy then takes
        float32 and wants no autocast.

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
            speed_up(folded, for_cpu)
    folded.set_submodule("decoder.last", FullPrecision(folded.decoder.last))
    return folded.to(memory_format=torch.channels_last)


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
