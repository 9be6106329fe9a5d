"""Architecture of the network, as plain values that are stored in a model card."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class EncoderConfig:
    """Architecture of the encoder, a CLIP ``ModifiedResNet`` truncated after its third stage.

    Parameters
    ----------
    layers : tuple of int
        Number of bottleneck blocks in ``layer1``, ``layer2`` and ``layer3``; (3, 4, 6) in CLIP
        RN50.
    width : int
        Output channels of the stem; 64 in CLIP RN50.
    shifts : bool
        Whether the batch normalisation adds constants. Without them, as in Mohan et al. (ICLR
        2020), features are proportional to the image, so values far outside [0, 1] cannot upset
        them; a trained encoder then has means and biases of 0.
    in_channels : int
        Channels that the first convolution takes; 3 in CLIP RN50.
    """

    layers: tuple[int, int, int] = (3, 4, 6)
    width: int = 64
    shifts: bool = True
    in_channels: int = 3

    @property
    def feature_channels(self) -> tuple[int, int, int, int]:
        """Channels of F1 (stem) and F2 to F4 (``layer1`` to ``layer3``)."""
        return self.width, 4 * self.width, 8 * self.width, 16 * self.width


@dataclass(frozen=True)
class DenoiserConfig:
    """Architecture of a denoiser. The defaults are the paper's RGB network on CLIP RN50.

    Parameters
    ----------
    encoder : EncoderConfig
        Architecture of the frozen encoder.
    channels : {1, 3}
        Channels of the image. If the encoder takes another number, counted with the noise level, a
        learnable 1x1 convolution comes first.
    decoder_channels : tuple of int
        Output channels of the decoder's blocks, from coarsest to finest: five, or four with
        ``decoder_stride=2``.
    align_corners : bool
        Corner convention of the bilinear upsampling. With ``False``, the result of a pixel does
        not depend on the size of its tile.
    residual : bool
        Whether the decoder's output is added to the image instead of replacing it.
    decoder_stride : {1, 2}
        Stride at which the image is concatenated in the decoder. With 2, its 2x2 pixels become
        channels next to F1, and the output is pixel-shuffled back (Shi et al., CVPR 2016). This
        saves the convolutions at full resolution, which are the most expensive ones.
    decoder_depth : int
        Number of 3x3 convolutions in each of the decoder's blocks.
    noise_level : bool
        Whether the network takes a map of the noise's standard deviation beside the image.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    channels: int = 3
    decoder_channels: tuple[int, ...] = (512, 256, 128, 64, 64)
    align_corners: bool = True
    residual: bool = False
    decoder_stride: int = 1
    decoder_depth: int = 2
    noise_level: bool = False

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
