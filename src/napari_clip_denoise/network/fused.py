"""Convolutions together with what follows them, for the CPU.

oneDNN applies an activation, or adds to what is there, while the sums of a convolution are still
in the cache. PyTorch offers that to its own compiler only, as ``torch.ops.mkldnn``; where it is
missing, only Winograd's algorithm is used, and only in float32.
"""

from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn, ops
from torch.nn import functional as F  # noqa: N812

from napari_clip_denoise.network.decoder import IMAGE_FEATURE_CHANNELS, ConvBlock, UpBlock
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Bottleneck
from napari_clip_denoise.network.winograd import WinogradConv2d

_FUSED = hasattr(ops.mkldnn, "_convolution_pointwise_")


def can_speed_up(precision: torch.dtype) -> bool:
    """Whether `speed_up` knows a way for this precision on this processor."""
    if precision == torch.bfloat16:
        return _FUSED and ops.mkldnn._is_mkldnn_bf16_supported()
    return precision == torch.float32


def speed_up(denoiser: Denoiser, precision: torch.dtype) -> None:
    """Replace parts of a folded denoiser by equal ones that are faster, in place.

    Parameters
    ----------
    denoiser : Denoiser
        Takes and gives float32 afterwards as well.
    precision : torch.dtype
        Of its inner convolutions; `can_speed_up` holds for it.
    """
    if precision == torch.float32:
        for name, module in list(denoiser.named_modules()):
            if WinogradConv2d.is_worthwhile(module):
                denoiser.set_submodule(name, WinogradConv2d(module))
    if not _FUSED:
        return
    for number in (1, 2, 3):
        _fuse(denoiser.encoder, f"conv{number}", f"act{number}")
    for stage in denoiser.encoder.stages:
        for name, block in list(stage.named_children()):
            assert isinstance(block, Bottleneck)
            stage.set_submodule(name, FusedBottleneck(block))
    up_path = denoiser.decoder.up_path
    finest = up_path[-1]
    assert isinstance(finest, UpBlock)
    config = denoiser.config
    skips = [IMAGE_FEATURE_CHANNELS]
    if config.decoder_stride > 1:
        skips = [config.encoder.width, config.decoder_stride**2 * config.channels]
    up_path[-1] = SplitUpBlock(finest, skips)
    for module in up_path.modules():
        if isinstance(module, ConvBlock):
            _fuse(module.block, "0", "1")
            _fuse(module.block, "2", "3")
    denoiser.encoder.to(precision)
    up_path.to(precision)


class FusedConv2d(nn.Module):
    """A convolution, and a (leaky) ReLU or a sum, in one step.

    Parameters
    ----------
    conv : torch.nn.Conv2d
        Whose weights are taken.
    activation : torch.nn.ReLU, torch.nn.LeakyReLU or None
        What follows it.
    inputs : slice, optional
        Only these input channels.
    """

    def __init__(
        self, conv: nn.Conv2d, activation: nn.Module | None = None, inputs: slice = slice(None)
    ):
        super().__init__()
        self.weight = nn.Parameter(conv.weight[:, inputs].clone(), requires_grad=False)
        self.bias = conv.bias
        self._how = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self._activation: tuple[str, list[float]] = ("none", [])
        if isinstance(activation, nn.ReLU):
            self._activation = "relu", []
        if isinstance(activation, nn.LeakyReLU):
            self._activation = "leaky_relu", [activation.negative_slope]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W') in the precision of the weights."""
        return ops.mkldnn._convolution_pointwise(
            x.to(self.weight.dtype), self.weight, self.bias, *self._how, *self._activation, ""
        )

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of x to a total, in place; only a ReLU may follow."""
        x = x.to(self.weight.dtype)
        name, values = self._activation
        activation = None if name == "none" else name
        return ops.mkldnn._convolution_pointwise_.binary(
            total,
            x.to(self.weight.dtype),
            self.weight,
            self.bias,
            *self._how,
            "add",
            1.0,
            activation,
            values,
            "",
        )


class FusedBottleneck(nn.Module):
    """A residual block that adds its last convolution to the identity in place.

    Parameters
    ----------
    block : Bottleneck
        Folded. Without a path of its own for the identity, its input is lost.
    """

    def __init__(self, block: Bottleneck):
        super().__init__()
        _fuse(block, "conv1", "act1")
        _fuse(block, "conv2", "act2")
        self.inner = nn.Sequential(block.conv1, block.act1, block.conv2, block.act2, block.avgpool)
        self.last = FusedConv2d(block.conv3, block.act3)
        self.identity = block.downsample or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        inner = self.inner(x)
        return self.last.add_to(self.identity(x), inner)


class SplitUpBlock(nn.Module):
    """A decoder's block that adds up the convolutions of its inputs, without joining these.

    At full resolution a joined input is dear to write, and the image's few channels spoil the
    alignment of the others.

    Parameters
    ----------
    block : UpBlock
        Which has skips.
    skip_channels : list of int
        Channels of each skip.
    """

    def __init__(self, block: UpBlock, skip_channels: list[int]):
        super().__init__()
        conv, self.activation, last, last_activation = block.conv_block.block
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(last, nn.Conv2d)
        stops = [*accumulate([conv.in_channels - sum(skip_channels), *skip_channels])]
        parts = [slice(start, stop) for start, stop in pairwise([0, *stops])]
        self.below, *of_skips = (FusedConv2d(conv, inputs=part) for part in parts)
        self.of_skips = nn.ModuleList(of_skips)
        self.last = FusedConv2d(last, last_activation)
        self.align_corners = block.align_corners

    def forward(self, x: Tensor, *skips: Tensor) -> Tensor:
        """Map x (N, C, H, W) and skips (N, C', 2H, 2W) to (N, out, 2H, 2W)."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.align_corners)
        total = self.below(x)
        for conv, skip in zip(self.of_skips, skips, strict=True):
            assert isinstance(conv, FusedConv2d)
            conv.add_to(total, skip)
        return self.last(self.activation(total))


def _fuse(module: nn.Module, conv_name: str, activation_name: str) -> None:
    """Let a convolution do the activation that follows, where it is a direct one."""
    conv, activation = map(module.get_submodule, (conv_name, activation_name))
    if isinstance(conv, nn.Conv2d):
        module.set_submodule(conv_name, FusedConv2d(conv, activation))
        module.set_submodule(activation_name, nn.Identity())
