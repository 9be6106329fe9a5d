"""The frozen encoder: CLIP's ResNet without its last stage and attention pooling."""

from typing import Self

from torch import Tensor, nn

from napari_clip_denoise.network.config import EncoderConfig


class Bottleneck(nn.Module):
    """A residual block of CLIP's ResNet, with anti-aliased strides by average pooling.

    Parameters
    ----------
    channels_in : int
        Channels of the input.
    channels : int
        Channels within the block; the output has four times as many.
    stride : int
        Stride and side of the average pooling.
    """

    def __init__(self, channels_in: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1, self.bn1, self.act1 = _convolution(channels_in, channels, 1)
        self.conv2, self.bn2, self.act2 = _convolution(channels, channels, 3)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3, self.bn3, self.act3 = _convolution(channels, 4 * channels, 1)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or channels_in != 4 * channels:
            self.downsample = nn.Sequential()
            self.downsample.add_module("-1", nn.AvgPool2d(stride))
            conv, norm, _ = _convolution(channels_in, 4 * channels, 1)
            self.downsample.add_module("0", conv)
            self.downsample.add_module("1", norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        inner = self.act1(self.bn1(self.conv1(x)))
        inner = self.act2(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(self.avgpool(inner)))
        inner += x if self.downsample is None else self.downsample(x)
        return self.act3(inner)


class Encoder(nn.Module):
    """Dense features of an image at strides 2, 4, 8 and 16.

    The encoder is frozen: its parameters require no gradient, and its batch normalisation uses the
    stored statistics, even after ``.train()``, unless it `adapts`. Parameter names match the
    ``visual`` tower of ``open_clip``, so its state dict can be loaded directly.

    Parameters
    ----------
    config : EncoderConfig
        Number of blocks and width; CLIP RN50 by default.

    References
    ----------
    Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    ICML 2021. Cheng, Liang, Tan, "Transfer CLIP for Generalizable Image Denoising", CVPR 2024.
    """

    adapts = False
    """Whether, in training mode, the statistics of the batch normalisation follow the batches."""

    def __init__(self, config: EncoderConfig | None = None):
        super().__init__()
        self.config = config = config or EncoderConfig()
        width, half = config.width, config.width // 2
        self.conv1, self.bn1, self.act1 = _convolution(config.in_channels, half, 3, stride=2)
        self.conv2, self.bn2, self.act2 = _convolution(half, half, 3)
        self.conv3, self.bn3, self.act3 = _convolution(half, width, 3)
        self.avgpool = nn.AvgPool2d(2)
        self.layer1 = _stage(width, width, config.layers[0], stride=1)
        self.layer2 = _stage(4 * width, 2 * width, config.layers[1], stride=2)
        self.layer3 = _stage(8 * width, 4 * width, config.layers[2], stride=2)
        self.init_parameters()
        self.requires_grad_(False)
        self.eval()

    def init_parameters(self) -> None:
        """Initialise the weights of an encoder that is trained from scratch.

        Convolutions follow He et al., 2015; each residual block starts as its shortcut (Goyal et
        al., 2017). On the meta device nothing is drawn, because torch would import its compiler for
        that, which takes seconds.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)

    def set_trainable(self, trainable: bool) -> None:
        """Let the optimiser change the parameters, apart from shifts that the config rules out."""
        self.requires_grad_(trainable)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and not self.config.shifts:
                module.bias.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode regardless of `mode`, unless the encoder `adapts`."""
        return super().train(mode and self.adapts)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the features F1 to F4.

        Parameters
        ----------
        image : Tensor
            (N, in_channels, H, W), values about [0, 1], not standardised by CLIP's mean and
            standard deviation. H and W are multiples of 16.

        Returns
        -------
        list of Tensor
            Four tensors (N, C_i, H / 2**i, W / 2**i), C_i as in
            `EncoderConfig.feature_channels`.
        """
        x = self.act1(self.bn1(self.conv1(image)))
        x = self.act2(self.bn2(self.conv2(x)))
        stem = self.act3(self.bn3(self.conv3(x)))
        features = [stem]
        x = self.avgpool(stem)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    @property
    def stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """The three residual stages, from fine to coarse."""
        return self.layer1, self.layer2, self.layer3


def _convolution(
    channels_in: int, channels: int, side: int, stride: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]:
    """Make a padded convolution, its batch normalisation and its activation."""
    conv = nn.Conv2d(channels_in, channels, side, stride, padding=side // 2, bias=False)
    return conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    rest = (Bottleneck(4 * channels, channels) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(channels_in, channels, stride), *rest)
