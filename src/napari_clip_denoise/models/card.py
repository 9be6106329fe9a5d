"""The model card: architecture, training and measured quality of a model."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_clip_denoise.network.config import DenoiserConfig, InputSizes

MOST_CHANNELS = 4096
MOST_LAYERS = 64
MOST_MARGIN = 4096


class EncoderCard(BaseModel):
    """The origin of an encoder.

    Attributes
    ----------
    source : str
        Source of the weights, or a description of their training.
    weights : str
        Name of the weights if they are not included, such as ``open_clip:RN101:openai``; empty for
        RN50 of OpenAI.
    sha256 : str
        SHA-256 of its tensors, see `napari_clip_denoise.models.checkpoint.tensors_sha256`.
    included : bool
        Whether the model file contains its tensors. Otherwise it is loaded from its source, and
        its SHA-256 is checked.
    statistics : bool
        Whether the file contains the statistics of the batch normalisation nevertheless, because
        they are not those of the source.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    sha256: str = ""
    included: bool = True
    weights: str = ""
    statistics: bool = False


class Score(BaseModel):
    """A measured score.

    Attributes
    ----------
    data, noise, metric : str
        Test images, their noise and the metric, such as "Set12", "Gaussian sigma 25" and
        "PSNR (dB)".
    noisy, denoised : float
        Score of the noisy input and of the result.
    """

    model_config = ConfigDict(frozen=True)

    data: str
    noise: str
    metric: str
    noisy: float
    denoised: float


class ModelCard(BaseModel):
    """The description of a model, stored as JSON in its ``.safetensors`` file.

    Attributes
    ----------
    format_version : int
        Version of this format.
    name, description : str
        Name in the registry, and a sentence for users.
    network : DenoiserConfig
        Architecture of encoder and decoder.
    encoder : EncoderCard
        Origin of the encoder.
    pad_multiple : int
        Images are reflect-padded at the bottom and right to a multiple of this, in pixels.
    halo : int
        Margin of a tile in pixels that is computed and discarded, measured so that tiles match
        the whole plane.
    clamp : bool
        Whether results are kept within [0, 1] on the network's scale, as in the paper. A value
        outside it may stay as far outside as it was.
    clip_input : bool
        Whether values are clipped to [0, 1] before they reach the network. Results are then clipped
        to [0, 1] without exception.
    intensity : str
        Recommended intensity mapping.
    recipe : dict
        Training recipe, if known.
    data, noise : str
        Training images and their noise.
    seed : int or None
        Random seed of the training, if known.
    scores : tuple of Score
        Measured scores.
    software : dict
        Versions of the software used for training or import.
    licence : str
        Licence of the weights.
    parent_sha256 : str
        SHA-256 of the tensors of the model that this one was fine-tuned from, or empty.
    decoder_sha256 : str
        SHA-256 of the decoder's tensors; empty in files of the first version.
    """

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    network: DenoiserConfig
    encoder: EncoderCard
    pad_multiple: Annotated[int, Field(gt=0, le=MOST_MARGIN, multiple_of=16)] = 16
    halo: Annotated[int, Field(ge=0, le=MOST_MARGIN, multiple_of=16)] = 64
    clamp: bool = False
    clip_input: bool = False
    intensity: str = "anscombe"
    recipe: dict[str, Any] = {}
    data: str = ""
    noise: str = ""
    seed: int | None = None
    scores: tuple[Score, ...] = ()
    software: dict[str, str] = {}
    licence: str = ""
    parent_sha256: str = ""
    decoder_sha256: str = ""

    @property
    def hides_hot_pixels(self) -> bool:
        """Whether the network must not see pixels far outside the usual range."""
        return not self.clip_input

    @property
    def input_sizes(self) -> tuple[InputSizes, InputSizes]:
        """Lengths that the network takes along Y and X."""
        sizes = InputSizes(0, self.pad_multiple)
        return sizes, sizes

    @field_validator("network")
    @classmethod
    def _is_plausible(cls, network: DenoiserConfig) -> DenoiserConfig:
        """Refuse sizes that would take memory before the tensors are compared with them."""
        sizes = (*network.encoder.layers, network.encoder.width, *network.decoder_channels)
        if not all(0 < size <= MOST_CHANNELS for size in (*sizes, network.decoder_depth)):
            raise ValueError("the sizes of the network are not plausible")
        if max(*network.encoder.layers, network.decoder_depth) > MOST_LAYERS:
            raise ValueError("the network has too many layers")
        return network
