"""The model card: what a model is, learned from, and is good for."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_clip_denoise.network.config import DenoiserConfig


class EncoderCard(BaseModel):
    """Where the encoder comes from.

    Attributes
    ----------
    source : str
        How to get it, or where it was trained.
    sha256 : str
        Over its tensors, see `napari_clip_denoise.models.checkpoint.tensors_sha256`.
    included : bool
        Whether the model file holds its tensors. If not, loading pairs the decoder with the
        encoder of the same SHA-256.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    sha256: str = ""
    included: bool = True


class Score(BaseModel):
    """One measured figure.

    Attributes
    ----------
    data, noise, metric : str
        What was measured on what, such as "Set12", "Gaussian sigma 25", "PSNR (dB)".
    noisy, denoised : float
        The figure of the input and of the result.
    """

    model_config = ConfigDict(frozen=True)

    data: str
    noise: str
    metric: str
    noisy: float
    denoised: float


class ModelCard(BaseModel):
    """What a model is. Stored as JSON in the metadata of its ``.safetensors`` file.

    Attributes
    ----------
    name, description : str
        Name in the registry, and a sentence for users.
    network : DenoiserConfig
        Shape of encoder and decoder.
    encoder : EncoderCard
        Where the encoder comes from.
    pad_multiple : int
        The image is reflect-padded at the bottom and right to a multiple of this.
    halo : int
        Pixels around a tile that are computed and thrown away, measured so that tiles match
        the whole plane.
    clamp : bool
        Whether the result is kept within [0, 1] on the network's scale, as in the paper.
    intensity : str
        Recommended intensity mapping.
    recipe : dict
        The training recipe, where it is known.
    data, noise : str
        What it learned from.
    scores : tuple of Score
        What was measured.
    software : dict
        Versions it was trained or imported with.
    licence : str
        Terms of the weights.
    parent_sha256 : str
        SHA-256 over the tensors of the model that this one was fine-tuned from, or empty.
    """

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    network: DenoiserConfig
    encoder: EncoderCard
    pad_multiple: Annotated[int, Field(gt=0, multiple_of=16)] = 16
    halo: Annotated[int, Field(ge=0, multiple_of=16)] = 64
    clamp: bool = False
    intensity: str = "anscombe"
    recipe: dict[str, Any] = {}
    data: str = ""
    noise: str = ""
    seed: int | None = None
    scores: tuple[Score, ...] = ()
    software: dict[str, str] = {}
    licence: str = ""
    parent_sha256: str = ""
