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
        Output channels of the five decoder blocks, from the coarsest to the finest.
    align_corners : bool
        Corner convention of the bilinear upsampling. With ``False`` a pixel's result does not
        depend on the size of the tile it is computed in.
    residual : bool
        Whether the decoder's output is added to the image instead of replacing it.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    channels: int = 3
    decoder_channels: tuple[int, int, int, int, int] = (512, 256, 128, 64, 64)
    align_corners: bool = True
    residual: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"a denoiser has 1 or 3 channels, not {self.channels}")
