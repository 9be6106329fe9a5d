"""Where CLIP's encoder lies on this computer; nothing here loads torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX, models_folder

if TYPE_CHECKING:
    from napari_clip_denoise.models.card import ModelCard

REPOSITORY = "timm/resnet50_clip.openai"
"""On the Hugging Face hub; where open_clip gets the weights of RN50."""
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Names of the weights there, the first that exists."""


def kept_encoder() -> Path:
    """Name the file in the models folder that keeps CLIP's encoder, whether it is there or not."""
    return models_folder() / "encoders" / f"{CLIP_MODEL}{SUFFIX}"


def is_at_hand() -> bool:
    """Whether CLIP's encoder can be loaded without a download."""
    from huggingface_hub import try_to_load_from_cache

    if kept_encoder().is_file():
        return True
    return any(isinstance(try_to_load_from_cache(REPOSITORY, file), str) for file in FILES)


def lacks_encoder(card: "ModelCard") -> bool:
    """Whether a model holds only a decoder, and CLIP's encoder is not on this computer."""
    return not card.encoder.included and not is_at_hand()
