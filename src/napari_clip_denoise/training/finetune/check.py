"""Checks of a fine-tuning before torch is loaded and images are read."""

from napari_clip_denoise.errors import InputError, ModelError
from napari_clip_denoise.models.folder import CLIP_MODEL
from napari_clip_denoise.models.registry import card_at, entries, find
from napari_clip_denoise.models.zoo.files import is_package
from napari_clip_denoise.training.finetune.settings import FineTuneSettings


def check_fine_tuning(settings: FineTuneSettings) -> None:
    """Check what can be known of a fine-tuning from its settings alone.

    Raises
    ------
    InputError
        If the devices cannot share a batch.
    ModelError
        If the initial model is missing or damaged, or a package of other authors.
    """
    if settings.batch % settings.devices:
        raise InputError(
            f"A batch of {settings.batch} cannot be shared by {settings.devices} devices."
        )
    if settings.model == CLIP_MODEL and CLIP_MODEL not in {entry.name for entry in entries()}:
        return
    path = find(settings.model)
    if is_package(path):
        raise ModelError(
            f"The model {path.stem} is a package of other authors; it can denoise, but it cannot "
            "be fine-tuned."
        )
    card_at(path)
