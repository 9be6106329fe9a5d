"""Frozen encoders, for training a decoder or for examination."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_clip_denoise.models.card_file import read_card
from napari_clip_denoise.models.clip_encoder import load_clip_encoder
from napari_clip_denoise.models.clip_source import ClipSource, is_clip
from napari_clip_denoise.models.half_precision import in_half_precision
from napari_clip_denoise.models.registry import find, load
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.pretrain.recipe import Recipe

RANDOM = "random"
DECODER_WIDTHS = (8, 4, 2, 1, 1)
"""Output channels of the paper's decoder, as multiples of the encoder's width."""


def with_encoder(recipe: Recipe, source: str) -> Recipe:
    """Return a recipe that trains a decoder on another frozen encoder.

    Parameters
    ----------
    recipe : Recipe
        The original recipe. The width of its decoder is adapted to the encoder. A model's encoder
        keeps its statistics, because they already belong to images like those of the recipe.
    source : str
        ``"clip-rn50"`` (CLIP's own encoder, not that of an imported model of this name),
        ``"open_clip:RN101:openai"`` (any of `clip_source.published`), ``"random"`` (random weights
        in the recipe's architecture), or a model by name or file.

    Returns
    -------
    Recipe
        The changed recipe.

    Raises
    ------
    ModelError
        If the model does not exist.
    """
    if source == RANDOM:
        shape = recipe.network.encoder
    elif is_clip(source):
        shape = ClipSource.parse(source).shape
    else:
        shape = read_card(find(source)).network.encoder
    network = recipe.network
    if shape != network.encoder:
        widths = DECODER_WIDTHS[: len(network.decoder_channels)]
        channels = tuple(factor * shape.width for factor in widths)
        network = replace(network, encoder=shape, decoder_channels=channels)
    optimisation = recipe.optimisation.model_copy(update={"train_encoder": False})
    changes = {"encoder": source, "network": network, "optimisation": optimisation}
    if source != RANDOM and not is_clip(source):
        changes["batch_norm"] = "openai"
    return recipe.model_copy(update=changes)


def load_encoder(
    source: str, shape: EncoderConfig, *, seed: int = 0, clip_weights: str | Path | None = None
) -> Encoder:
    """Load a frozen encoder.

    Parameters
    ----------
    source : str
        See `with_encoder`.
    shape : EncoderConfig
        Architecture of a random encoder.
    seed : int
        Seed of a random encoder.
    clip_weights : str or Path, optional
        Local file with CLIP's weights; by default see `load_clip_encoder`.

    Returns
    -------
    Encoder
        The encoder; that of CLIP is rounded to half precision, in which some copies are stored.

    Raises
    ------
    ModelError
        If the model does not exist or cannot be loaded.
    """
    if source == RANDOM:
        return random_encoder(shape, seed)
    if is_clip(source):
        clip = load_clip_encoder(clip_weights, source=ClipSource.parse(source))
        return in_half_precision(clip)
    return load(source, clip_weights=clip_weights).denoiser.encoder


def random_encoder(shape: EncoderConfig, seed: int) -> Encoder:
    """Create an encoder with random weights in which all residual blocks are active."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Encoder(shape)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return encoder


def random_network(config: DenoiserConfig, seed: int) -> Denoiser:
    """Create a network in inference mode whose encoder is a `random_encoder`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoiser = Denoiser(config)
    denoiser.encoder = random_encoder(config.encoder, seed)
    return denoiser.eval()


@torch.no_grad()
def calibrate(encoder: Encoder, images: Iterable[Tensor], parts: tuple[str, ...] = ("",)) -> None:
    """Set the statistics of the batch normalisation to those of some images, and freeze them.

    The features then start with about unit variance at every depth, as in Salimans and Kingma (NIPS
    2016). Otherwise those of the deep stages are so small that the first training steps switch
    their rectifiers off permanently.

    Parameters
    ----------
    encoder : Encoder
        Encoder with random weights, changed in place.
    images : iterable of Tensor
        Batches (N, 3, H, W).
    parts : tuple of str
        Prefixes of the names of the modules to change, such as ``"layer3"``.
    """
    norms = [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.BatchNorm2d) and name.startswith(parts)
    ]
    if not encoder.config.shifts:
        _calibrate_power(encoder, norms, torch.cat(list(images)))
        return
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


def _calibrate_power(encoder: Encoder, norms: list[nn.BatchNorm2d], images: Tensor) -> None:
    """Set the variances, in order of depth, to the mean squares; the means remain 0."""

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        norm.get_buffer("running_var").copy_(inputs[0].square().mean(dim=(0, 2, 3)))

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    encoder(images)
    for hook in hooks:
        hook.remove()
