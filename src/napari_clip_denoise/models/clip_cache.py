"""Local copies of CLIP's encoder; importing this does not import torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX, models_folder

if TYPE_CHECKING:
    from napari_clip_denoise.models.card import ModelCard

REPOSITORY = "timm/resnet50_clip.openai"
"""Repository on the Hugging Face hub from which open_clip downloads the weights of RN50."""
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""File names of the weights in the repository; the first that exists is used."""


def kept_encoder() -> Path:
    """Return the path of CLIP's encoder in the models folder; the file may not exist yet."""
    return models_folder() / "encoders" / f"{CLIP_MODEL}{SUFFIX}"


def is_at_hand() -> bool:
    """Return whether CLIP's encoder can be loaded without a download."""
    from huggingface_hub import try_to_load_from_cache

    if kept_encoder().is_file():
        return True
    return any(isinstance(try_to_load_from_cache(REPOSITORY, file), str) for file in FILES)


def lacks_encoder(card: "ModelCard") -> bool:
    """Return whether a model needs CLIP's encoder, but that is not on this computer."""
    return not card.encoder.included and not is_at_hand()
