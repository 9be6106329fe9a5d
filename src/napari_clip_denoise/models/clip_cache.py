"""Local copies of CLIP's encoders; importing this does not import torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_clip_denoise.models.clip_source import OPENAI, ClipSource
from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX, models_folder

if TYPE_CHECKING:
    from napari_clip_denoise.models.card import ModelCard

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""File names of the weights in a repository; the first that exists is used."""


def kept_encoder(source: ClipSource | None = None) -> Path:
    """Return the path of an encoder in the models folder; the file may not exist yet."""
    source = source or ClipSource()
    name = CLIP_MODEL if source == ClipSource() else str(source).replace(":", "-")
    return models_folder() / "encoders" / f"{name}{SUFFIX}"


def local_copy(source: ClipSource | None = None) -> Path | None:
    """Find weights that need no download; None if there are none.

    These are, in this order, the models folder, the cache of the Hugging Face hub, and the folder
    ``~/.cache/clip`` of OpenAI's package and of earlier versions of open_clip.
    """
    from huggingface_hub import try_to_load_from_cache

    source = source or ClipSource()
    if (kept := kept_encoder(source)).is_file():
        return kept
    for file in FILES:
        if isinstance(found := try_to_load_from_cache(source.repository, file), str):
            return Path(found)
    pattern = f"{source.architecture}.pt"
    if source.tag != OPENAI:
        pattern = f"{source.architecture.lower()}-quickgelu-{source.tag}-*.pt"
    return next((Path.home() / ".cache" / "clip").glob(pattern), None)


def is_at_hand(source: ClipSource | None = None) -> bool:
    """Return whether CLIP's encoder can be loaded without a download."""
    return local_copy(source) is not None


def lacks_encoder(card: "ModelCard") -> bool:
    """Return whether a model needs an encoder of CLIP that is not on this computer."""
    return not card.encoder.included and not is_at_hand(ClipSource.parse(card.encoder.weights))
