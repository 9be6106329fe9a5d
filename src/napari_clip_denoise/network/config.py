"""Architecture of the network, as plain values that are stored in a model card."""

from dataclasses import dataclass, field
from typing import Literal

STRIDE = 16
"""Total stride of the encoder; H and W of the input must be multiples of it."""


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


@dataclass(frozen=True)
class InputSizes:
    """Lengths in pixels that a network takes along an axis, and where its tiles may start.

    Parameters
    ----------
    least : int
        Smallest length; 0 if every multiple will do.
    step : int
        A plane is padded to ``least`` plus a multiple of this; tiles have such lengths, too.
    align : int
        Tiles start at multiples of this.
    most : int or None
        Largest length of a tile, if there is one. It is `least` for a network of a single size.
    """

    least: int
    step: int
    align: int = STRIDE
    most: int | None = None

    def padded(self, length: int) -> int:
        """Return the length to which a plane of this length is padded."""
        return self.least - (self.least - max(length, self.least)) // self.step * self.step

    def tile(self, side: int) -> int:
        """Return the largest valid length of a tile of at most this side, or the smallest one."""
        if not self.least:
            return side
        side = side if self.most is None else min(side, self.most)
        return self.least + max(0, side - self.least) // self.step * self.step


@dataclass(frozen=True)
class Step:
    """A calculation on each value before or after the network of another author.

    Attributes
    ----------
    kind : {"linear", "clip", "sigmoid"}
        ``first * value + second``; limits ``first`` to ``second``; or the logistic function.
    first, second : float
        Numbers of the step.
    """

    kind: Literal["linear", "clip", "sigmoid"]
    first: float = 1.0
    second: float = 0.0


@dataclass(frozen=True)
class ForeignConfig:
    """What must be known of the network of another author to run it like one of ours.

    Parameters
    ----------
    channels : {1, 3}
        Channels of the image.
    rows, columns : InputSizes
        Lengths that the network takes, without its border.
    input_axes, output_axes : str
        Order of the axes of its tensors, such as ``"ncyx"``; ``n`` and ``c`` may be missing.
    border : (int, int)
        Rows and columns that the output lacks at each side. The input is mirrored by so much.
    one_by_one : bool
        Whether it takes one image at a time.
    before, after : tuple of Step
        Calculations on the input and on the output; both are on the network's scale.
    """

    channels: int
    rows: InputSizes
    columns: InputSizes
    input_axes: str = "ncyx"
    output_axes: str = "ncyx"
    border: tuple[int, int] = (0, 0)
    one_by_one: bool = False
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
