"""The learnable decoder, the upward path of a U-Net from the coarsest features to the image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_clip_denoise.network.config import DenoiserConfig

NEGATIVE_SLOPE = 0.2


class ConvBlock(nn.Module):
    """3x3 convolutions without bias, each followed by a leaky ReLU.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    depth : int
        Number of convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, depth: int = 2):
        super().__init__()
        self.block = nn.Sequential()
        for channels in (in_channels, *(depth - 1) * (out_channels,)):
            self.block.append(nn.Conv2d(channels, out_channels, 3, padding=1, bias=False))
            self.block.append(nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        return self.block(x)


class UpBlock(nn.Module):
    """Bilinear upsampling by two, concatenation with skip features, and a `ConvBlock`.

    Parameters
    ----------
    in_channels : int
        Channels of the input and the skip features together.
    out_channels : int
        Channels of the output.
    align_corners : bool
        Corner convention of the upsampling.
    depth : int
        Number of convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, align_corners: bool, depth: int = 2):
        super().__init__()
        self.conv_block = ConvBlock(in_channels, out_channels, depth)
        self.align_corners = align_corners

    def forward(self, x: Tensor, *skips: Tensor) -> Tensor:
        """Map x (N, C, H, W) and skips (N, C', 2H, 2W) to (N, out, 2H, 2W).

        Without `skips`, `x` is not upsampled.
        """
        if skips:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.align_corners)
            x = torch.cat([x, *skips], dim=1)
        return self.conv_block(x)


class Decoder(nn.Module):
    """Maps the noisy image and the encoder's features to an image.

    Parameters
    ----------
    config : DenoiserConfig
        Architecture of encoder and decoder.
    """

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        fine, *coarser = config.encoder.feature_channels
        phases = config.decoder_stride**2
        levels = int(config.noise_level)
        if config.decoder_stride == 1:
            skips = [config.encoder.in_channels + levels, fine, *coarser[:2], 0]
        else:
            skips = [fine + phases * config.channels + levels, *coarser[:2], 0]
        below = (coarser[-1], *config.decoder_channels[:-1])
        self.stride = config.decoder_stride
        self.channels = config.channels
        self.takes_level = config.noise_level
        self.up_path = nn.ModuleList(
            UpBlock(n_below + n_skip, n_out, config.align_corners, config.decoder_depth)
            for n_below, n_skip, n_out in zip(
                below, reversed(skips), config.decoder_channels, strict=True
            )
        )
        self.last = nn.Conv2d(
            config.decoder_channels[-1], phases * config.channels, 3, padding=1, bias=False
        )
        for conv in self.up_path.modules():
            if isinstance(conv, nn.Conv2d) and not conv.weight.is_meta:
                nn.init.kaiming_normal_(conv.weight, a=NEGATIVE_SLOPE)

    def init_as_published(self) -> None:
        """Initialise the weights as in the paper's code, by the default of torch.

        The outputs are then about 7 times smaller than with the initialisation of He et al., which
        preserves the variance from layer to layer.
        """
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                conv.reset_parameters()

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Decode the features F0 to F4 to an image.

        Parameters
        ----------
        features : sequence of Tensor
            F0, which is the image (N, channels, H, W), for stride 1 the encoder's input, followed
            by the channel of the noise level if the network takes one; then the encoder's F1 to F4.

        Returns
        -------
        Tensor
            (N, channels, H, W).
        """
        image, fine, *coarser = features
        if self.stride == 1:
            finest: list[tuple[Tensor, ...]] = [(image,), (fine,)]
        else:
            phases = F.pixel_unshuffle(image[:, : self.channels], self.stride)
            level = image[:, self.channels :]
            levels = [F.avg_pool2d(level, self.stride)] if self.takes_level else []
            finest = [(fine, phases, *levels)]
        (coarsest,), *finer = reversed([*finest, *((feature,) for feature in coarser)])
        x = self.up_path[0](coarsest)
        for block, skips in zip(self.up_path[1:], finer, strict=True):
            x = block(x, *skips)
        x = self.last(x)
        return x if self.stride == 1 else F.pixel_shuffle(x, self.stride)
