"""The card of a package of another author."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_clip_denoise.models.card import MOST_MARGIN, EncoderCard, ModelCard
from napari_clip_denoise.network.config import DenoiserConfig, ForeignConfig, InputSizes

ENGINE_ONLY = {"network", "encoder", "pad_multiple", "format_version", "decoder_sha256"}
"""Entries of a card that say nothing about a package."""


@dataclass(frozen=True)
class Normalization:
    """The linear mapping of raw values to the scale of a package's network.

    Attributes
    ----------
    measured : {"nothing", "percentiles", "moments"}
        What becomes 0 and 1 before `gain` and `offset`: the values 0 and 1; two percentiles of the
        image; or its mean, and its mean plus its standard deviation.
    percentiles : (float, float)
        From 0 to 100; only for percentiles.
    epsilon : float
        Is added to the difference of both.
    gain, offset : float
        The result is multiplied by `gain`, and then `offset` is added.
    """

    measured: Literal["nothing", "percentiles", "moments"] = "nothing"
    percentiles: tuple[float, float] = (0.0, 100.0)
    epsilon: float = 0.0
    gain: float = 1.0
    offset: float = 0.0

    @property
    def words(self) -> str:
        """Description for users."""
        line = "" if (self.gain, self.offset) == (1, 0) else f"times {self.gain:g}, plus "
        line += f"{self.offset:g}" if line else ""
        if self.measured == "nothing":
            return line or "values as they are"
        first = "mean and standard deviation of a channel become 0 and 1"
        if self.measured == "percentiles":
            first = "percentiles {:g} and {:g} of a channel become 0 and 1".format(
                *self.percentiles
            )
        return f"{first}, {line}" if line else first


class Weights(BaseModel):
    """A file with weights in a package.

    Attributes
    ----------
    format : {"onnx", "torchscript"}
        Format of the file. Loading TorchScript runs code that it holds.
    file : str
        Path in the package, with forward slashes.
    sha256 : str
        SHA-256 of the file.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal["onnx", "torchscript"]
    file: str
    sha256: str


class ZooCard(ModelCard):
    """The card of a package, read from its description.

    Attributes
    ----------
    title : str
        Name that its authors gave it.
    identifier : str
        Its identifier in the zoo; empty if it has none.
    authors, citation : tuple of str
        Its authors, and what they ask to be cited.
    weights : Weights
        The file with its network.
    foreign : ForeignConfig
        Layout of the network's tensors, and what is calculated before and after it.
    normalization : Normalization
        Mapping of raw values to the network's scale.
    halo : int
        Margin of a tile in pixels that is computed and discarded. In a loaded model, it is at
        least what was measured; see `reach`.
    """

    model_config = ConfigDict(frozen=True)

    network: DenoiserConfig
    encoder: EncoderCard = EncoderCard(source="", included=True)
    halo: Annotated[int, Field(ge=0, le=MOST_MARGIN)] = 0
    title: str
    identifier: str = ""
    authors: tuple[str, ...] = ()
    citation: tuple[str, ...] = ()
    weights: Weights
    foreign: ForeignConfig
    normalization: Normalization = Normalization()

    @property
    def short_name(self) -> str:
        """Name for the registry, made from the identifier or else the title."""
        words = re.sub(r"[^A-Za-z0-9._-]+", "-", self.identifier.rpartition("/")[2] or self.title)
        return words.strip("._-").lower() or "package"

    @property
    def hides_hot_pixels(self) -> bool:
        """False: a package sees the image as its authors intended it."""
        return False

    @property
    def input_sizes(self) -> tuple[InputSizes, InputSizes]:
        """Lengths that the network takes along Y and X."""
        return self.foreign.rows, self.foreign.columns
