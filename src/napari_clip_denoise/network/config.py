"""Shapes of the network, as plain values that a model card can hold."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder, a CLIP ``ModifiedResNet`` cut after its third stage.

    Parameters
    ----------
    layers : tuple of int
        Bottleneck blocks in ``layer1``, ``layer2`` and ``layer3``. CLIP RN50 has (3, 4, 6).
    width : int
        Channels of the stem's output. CLIP RN50 has 64.
    """

    layers: tuple[int, int, int] = (3, 4, 6)
    width: int = 64

    @property
    def feature_channels(self) -> tuple[int, int, int, int]:
        """Channels of F1 (stem) and F2 to F4 (``layer1`` to ``layer3``)."""
        return self.width, 4 * self.width, 8 * self.width, 16 * self.width


@dataclass(frozen=True)
class DenoiserConfig:
    """Shape of a denoiser. The defaults are the paper's RGB network on CLIP RN50.

    Parameters
    ----------
    encoder : EncoderConfig
        Shape of the frozen encoder.
    channels : {1, 3}
        Channels of the image. One channel is expanded to three by a learnable 1x1 convolution.
    decoder_channels : tuple of int
        Output channels of the decoder's blocks, from the coarsest to the finest: five of them,
        or four with ``decoder_stride=2``.
    align_corners : bool
        Corner convention of the bilinear upsampling. With ``False`` a pixel's result does not
        depend on the size of the tile it is computed in.
    residual : bool
        Whether the decoder's output is added to the image instead of replacing it.
    decoder_stride : {1, 2}
        Where the image joins the decoder. With 2 it does so beside F1, each 2x2 pixels as
        channels, and the result is shuffled back (Shi et al., CVPR 2016): the convolutions at
        full resolution, the dearest of all, fall away.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    channels: int = 3
    decoder_channels: tuple[int, ...] = (512, 256, 128, 64, 64)
    align_corners: bool = True
    residual: bool = False
    decoder_stride: int = 1

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"a denoiser has 1 or 3 channels, not {self.channels}")
        if self.decoder_stride not in (1, 2):
            raise ValueError(f"a decoder has stride 1 or 2, not {self.decoder_stride}")
        if len(self.decoder_channels) != 6 - self.decoder_stride:
            raise ValueError(
                f"a decoder of stride {self.decoder_stride} has {6 - self.decoder_stride} blocks, "
                f"not {len(self.decoder_channels)}"
            )
