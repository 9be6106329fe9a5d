"""Initial model of a fine-tuning."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, tensors_sha256
from napari_clip_denoise.models.clip_encoder import load_clip_encoder
from napari_clip_denoise.models.clip_source import ClipSource
from napari_clip_denoise.models.folder import CLIP_MODEL
from napari_clip_denoise.models.half_precision import in_half_precision
from napari_clip_denoise.models.registry import entries, load
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.finetune.settings import FineTuneSettings

FROM_SCRATCH = DenoiserConfig(channels=1, align_corners=False, residual=True)
"""Architecture of a denoiser on CLIP's encoder without a trained decoder."""


def starting_model(
    settings: FineTuneSettings, clip_weights: str | Path | None = None
) -> tuple[Model, bool]:
    """Load the initial model, and return it and whether it has a trained decoder.

    ``clip-rn50`` may have none; a random decoder is then added to CLIP's encoder.

    Parameters
    ----------
    settings : FineTuneSettings
        Settings that name the model.
    clip_weights : str or Path, optional
        Local file with CLIP's RN50 weights, see `load`.

    Returns
    -------
    model : Model
        The initial model.
    has_decoder : bool
        Whether it has a trained decoder.

    Raises
    ------
    ModelError
        If the model is missing or damaged, or a package of other authors.
    """
    if settings.model != CLIP_MODEL or CLIP_MODEL in {entry.name for entry in entries()}:
        model = load(settings.model, clip_weights=clip_weights)
        model.denoiser  # noqa: B018 packages of others have none, and say so
        return model, True
    encoder = in_half_precision(load_clip_encoder(clip_weights))
    torch.manual_seed(settings.seed)
    denoiser = Denoiser(replace(FROM_SCRATCH, encoder=encoder.config))
    denoiser.encoder.load_state_dict(encoder.state_dict())
    assert isinstance(denoiser.first, nn.Conv2d)
    nn.init.ones_(denoiser.first.weight)
    nn.init.zeros_(denoiser.decoder.last.weight)
    card = ModelCard(
        name=CLIP_MODEL,
        network=denoiser.config,
        encoder=EncoderCard(
            source=f"{ClipSource().words}, through open_clip",
            sha256=tensors_sha256(encoder.state_dict()),
            included=False,
        ),
        halo=96,
    )
    return Model(card, denoiser.requires_grad_(False).eval()), False
