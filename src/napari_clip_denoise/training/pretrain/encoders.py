"""Frozen encoders that a decoder can be trained on, or that can be examined."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_clip_denoise.models.card_file import read_card
from napari_clip_denoise.models.clip_encoder import load_clip_encoder
from napari_clip_denoise.models.folder import CLIP_MODEL
from napari_clip_denoise.models.registry import find, load
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.pretrain.recipe import Recipe

RANDOM = "random"
DECODER_WIDTHS = (8, 4, 2, 1, 1)
"""Output channels of the paper's decoder, in widths of its encoder."""


def with_encoder(recipe: Recipe, source: str) -> Recipe:
    """Change a recipe to train a decoder on another frozen encoder.

    Parameters
    ----------
    recipe : Recipe
        Its decoder becomes wider or narrower as the encoder is.
    source : str
        ``"clip-rn50"`` (CLIP's own, not that of an imported model of this name), ``"random"``
        (of the recipe's shape), or a model by name or file.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if source == RANDOM:
        shape = recipe.network.encoder
    elif source == CLIP_MODEL:
        shape = EncoderConfig()
    else:
        shape = read_card(find(source)).network.encoder
    network = recipe.network
    if shape != network.encoder:
        widths = DECODER_WIDTHS[: len(network.decoder_channels)]
        channels = tuple(factor * shape.width for factor in widths)
        network = replace(network, encoder=shape, decoder_channels=channels)
    optimisation = recipe.optimisation.model_copy(update={"train_encoder": False})
    return recipe.model_copy(
        update={"encoder": source, "network": network, "optimisation": optimisation}
    )


def load_encoder(
    source: str, shape: EncoderConfig, *, seed: int = 0, clip_weights: str | Path | None = None
) -> Encoder:
    """Load a frozen encoder.

    Parameters
    ----------
    source : str
        See `with_encoder`.
    shape : EncoderConfig
        Of a random one.
    seed : int
        Of a random one.
    clip_weights : str or Path, optional
        Local file with CLIP's RN50 weights; without it they come from open_clip.

    Raises
    ------
    ModelError
        If there is no such model or it cannot be loaded.
    """
    if source == RANDOM:
        return random_encoder(shape, seed)
    if source == CLIP_MODEL:
        return load_clip_encoder(clip_weights)
    return load(source, clip_weights=clip_weights).denoiser.encoder


def random_encoder(shape: EncoderConfig, seed: int) -> Encoder:
    """Make an encoder of random weights whose residual blocks all take part."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Encoder(shape)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return encoder


@torch.no_grad()
def calibrate(encoder: Encoder, images: Iterable[Tensor], parts: tuple[str, ...] = ("",)) -> None:
    """Set the statistics of the batch normalisation to those of some images, and keep them.

    Features then begin with about unit variance at every depth, as in Salimans and Kingma (NIPS
    2016). Without it those of deep stages are so small that the first steps of a training switch
    their rectifiers off for good.

    Parameters
    ----------
    encoder : Encoder
        With random weights; changed in place.
    images : iterable of Tensor
        Batches (N, 3, H, W).
    parts : tuple of str
        Only modules whose names begin so, such as ``"layer3"``.
    """
    norms = [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.BatchNorm2d) and name.startswith(parts)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for batch in images:
        encoder(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
