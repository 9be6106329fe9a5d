"""ResNets of CLIP whose image encoder can be used, and where their weights are published.

Importing this imports neither torch nor open_clip; a test compares it with open_clip's registry.
"""

from dataclasses import dataclass
from typing import Self

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.folder import CLIP_MODEL
from napari_clip_denoise.network.config import EncoderConfig

PREFIX = "open_clip:"
ARCHITECTURES = {
    "RN50": ("resnet50", EncoderConfig((3, 4, 6), 64)),
    "RN101": ("resnet101", EncoderConfig((3, 4, 23), 64)),
    "RN50x4": ("resnet50x4", EncoderConfig((4, 6, 10), 80)),
    "RN50x16": ("resnet50x16", EncoderConfig((6, 8, 18), 96)),
    "RN50x64": ("resnet50x64", EncoderConfig((3, 15, 36), 128)),
}
"""Name on the hub and shape of the encoder, by open_clip's name."""
TAGS = {"RN50": ("openai", "yfcc15m", "cc12m"), "RN101": ("openai", "yfcc15m")}
"""Published weights; the others have those of OpenAI alone."""
OPENAI = "openai"


@dataclass(frozen=True)
class ClipSource:
    """Weights of a CLIP ResNet, by open_clip's names.

    Attributes
    ----------
    architecture : str
        Key of `ARCHITECTURES`.
    tag : str
        Which weights, such as ``"openai"``.
    """

    architecture: str = "RN50"
    tag: str = OPENAI

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name such as ``clip-rn50`` or ``open_clip:RN101:openai``.

        Raises
        ------
        ModelError
            If there are no such weights; the message lists those that there are.
        """
        if name in ("", CLIP_MODEL):
            return cls()
        architecture, _, tag = name.removeprefix(PREFIX).partition(":")
        source = cls(architecture.removesuffix("-quickgelu"), tag or OPENAI)
        if source.architecture not in ARCHITECTURES or source.tag not in source.tags:
            raise ModelError(
                f"There is no encoder '{name}'; give one of: {', '.join(map(str, published()))}."
            )
        return source

    def __str__(self) -> str:
        """Return the name that `parse` reads."""
        return f"{PREFIX}{self.architecture}:{self.tag}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of all published weights of the architecture."""
        return TAGS.get(self.architecture, (OPENAI,))

    @property
    def shape(self) -> EncoderConfig:
        """Architecture of the encoder."""
        return ARCHITECTURES[self.architecture][1]

    @property
    def repository(self) -> str:
        """Repository on the Hugging Face hub from which open_clip downloads the weights."""
        return f"timm/{ARCHITECTURES[self.architecture][0]}_clip.{self.tag}"

    @property
    def words(self) -> str:
        """Name for people, such as ``CLIP RN50 of OpenAI``."""
        trained = "of OpenAI" if self.tag == OPENAI else f"trained on {self.tag}"
        return f"CLIP {self.architecture} {trained}"


def is_clip(name: str) -> bool:
    """Return whether a name stands for CLIP's own encoder, not for a model."""
    return name == CLIP_MODEL or name.startswith(PREFIX)


def published() -> list[ClipSource]:
    """List all weights that can be used."""
    return [ClipSource(name, tag) for name in ARCHITECTURES for tag in ClipSource(name).tags]
