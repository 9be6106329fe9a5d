"""Measurement of the two properties of an encoder's features that the paper relies on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_clip_denoise.errors import InputError, door
from napari_clip_denoise.evaluation.feature_content import Content, content_levels, found_places
from napari_clip_denoise.evaluation.scores.datasets import (
    CleanImage,
    clean_images,
    read_image,
)
from napari_clip_denoise.evaluation.scores.noises import add_noise, chosen_noises
from napari_clip_denoise.models.clip_source import is_clip
from napari_clip_denoise.models.registry import load
from napari_clip_denoise.network.config import STRIDE, DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.pretrain.encoders import RANDOM, load_encoder, random_network

DEPTHS = (1, 2, 3, 4)
LARGEST = 512
View = Callable[[Tensor, float], list[Tensor]]
"""Features F1 to F4 of an image (1, C, Y, X) with noise of a certain level."""


@dataclass(frozen=True)
class FeatureSimilarity:
    """Similarity between an encoder's features of noisy and of clean images, and their content.

    Attributes
    ----------
    encoder, noise : str
        Names of the encoder and of the noise.
    cosine : tuple of float
        Mean cosine similarity of F1 to F4, over images and positions; 1 means no change.
    image : float
        The same measure for the image itself, F0.
    readout : tuple of float
        PSNR in dB of the clean pixels at a place that a linear read-out of the noisy features there
        predicts, for `feature_content.LEVELS`: pixels around it, F1 to F4, and all features.
    found : tuple of float
        Fraction of places that are found again among others by the features, for the same levels.
    directions : tuple of float
        Effective number of directions that F1 to F4 use in the clean images. A feature that only
        repeats the brightness uses one; it resists noise but says little about the content.
    """

    encoder: str
    noise: str
    cosine: tuple[float, ...]
    image: float
    readout: tuple[float, ...]
    found: tuple[float, ...]
    directions: tuple[float, ...]


@door
def feature_similarity(
    encoders: Sequence[str],
    data: str | Path,
    *,
    noises: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    clip_weights: str | Path | None = None,
) -> list[FeatureSimilarity]:
    """Measure how much noise changes the features of encoders, and what they tell of the content.

    At each position, the channel vector of the noisy image's feature is compared with that of the
    clean image; see `cosine_similarity`. The encoder of a model sees what it sees in the network: a
    network for grey images gets the colours one by one, and a network that is told the noise level
    is told the root mean square of the noise, and 0 for the clean image.

    The content is measured in two ways: by a linear read-out of the clean pixels, learned from
    every other image, and by how often a place of the noisy image is found again in the clean one,
    see `napari_clip_denoise.evaluation.feature_content`.

    Parameters
    ----------
    encoders : sequence of str
        ``"clip-rn50"`` (CLIP's own encoder), another one such as ``"open_clip:RN101:openai"``,
        ``"random"`` (random weights in the architecture of the previous encoder, or of CLIP's if it
        comes first), or models by name or file.
    data : str or Path
        Folder of clean images, grey or RGB; networks for RGB get a grey image three times.
    noises : sequence of str
        Noises to test, by name or kind, such as ``"gaussian-25"`` or ``"poisson"``; all if empty.
    limit : int, optional
        Number of images to use, from the first; by default all.
    seed : int
        Seed of random encoders.
    clip_weights : str or Path, optional
        Local file with CLIP's RN50 weights.

    Returns
    -------
    list of FeatureSimilarity
        One entry for each encoder and noise.

    Raises
    ------
    InputError, ModelError
        If an encoder, a noise or the data cannot be used; the message says what to do.

    References
    ----------
    Cheng, Liang, Tan, "Transfer CLIP for Generalizable Image Denoising", CVPR 2024.
    """
    images = [read_image(path) for path in clean_images(Path(data))[:limit]]
    colours = 3 if any(image.rgb for image in images) else 1
    chosen = chosen_noises(noises)
    shape: EncoderConfig | DenoiserConfig = EncoderConfig()
    results = []
    for source in encoders:
        shape, view = _view(source, shape, seed, clip_weights)
        for noise in chosen:
            content = Content(len(images))
            measured = [
                _of_image(view, images[i], noise, colours, i, content) for i in content.order
            ]
            similarity, found, directions = (
                np.mean(values, axis=0).tolist() for values in zip(*measured, strict=True)
            )
            results.append(
                FeatureSimilarity(
                    source,
                    noise,
                    tuple(similarity[1:]),
                    similarity[0],
                    content.psnr,
                    tuple(found),
                    tuple(directions[1:]),
                )
            )
    return results


def _view(
    source: str, before: EncoderConfig | DenoiserConfig, seed: int, clip_weights: str | Path | None
) -> tuple[EncoderConfig | DenoiserConfig, View]:
    """Load an encoder; return its shape, or that of its whole network, and how it sees an image.

    A random one has the shape of the one before, and sees images as that does.
    """
    if source != RANDOM and not is_clip(source):
        denoiser = load(source, clip_weights=clip_weights).denoiser
        return denoiser.config, partial(_of_network, denoiser)
    if source == RANDOM and isinstance(before, DenoiserConfig):
        return before, partial(_of_network, random_network(before, seed))
    shape = before if isinstance(before, EncoderConfig) else before.encoder
    encoder = load_encoder(source, shape, seed=seed, clip_weights=clip_weights)
    return encoder.config, partial(_of_encoder, encoder)


def _of_encoder(encoder: Encoder, image: Tensor, level: float) -> list[Tensor]:
    """Return the features F1 to F4 of an image (1, C, Y, X) without the level of its noise."""
    return encoder(image.expand(-1, 3, -1, -1))


def _of_network(denoiser: Denoiser, image: Tensor, level: float) -> list[Tensor]:
    """Return the features F1 to F4 of an image (1, C, Y, X), as its network computes them."""
    colours = image.shape[1]
    if denoiser.config.channels == 1:
        image = image.transpose(0, 1)
    elif colours == 1:
        image = image.expand(-1, denoiser.config.channels, -1, -1)
    if not denoiser.config.noise_level:
        return denoiser.features(image)[1:]
    return denoiser.features(image, torch.full_like(image[:, :1], level))[1:]


@torch.inference_mode()
def _of_image(
    view: View, image: CleanImage, noise: str, colours: int, number: int, content: Content
) -> tuple[list[float], list[float], list[float]]:
    """Return the similarities of F0 to F4, the places found, and the directions that each uses.

    The image, in grey or in three colours, and its features are added to `content`.
    """
    pair = [
        _to_tensor(values, image.rgb).expand(-1, colours, -1, -1)
        for values in (image.unit, add_noise(image.unit, noise, rgb=image.rgb))
    ]
    level = (pair[1] - pair[0]).square().mean().sqrt().item()
    before, after = ([each, *view(each, told)] for each, told in zip(pair, (0, level), strict=True))
    levels = [content_levels(each[0], each[1:]) for each in (before, after)]
    content.add(number, pair[0], levels[1])
    return (
        [cosine_similarity(a, b).item() for a, b in zip(before, after, strict=True)],
        found_places(*levels),
        [effective_directions(a) for a in before],
    )


def cosine_similarity(clean: Tensor, noisy: Tensor) -> Tensor:
    """Return the mean cosine between the channel vectors of two features, after centring.

    Each channel's mean over the clean image is subtracted from both features first, because
    features after a ReLU are all positive and thus similar for any two images.

    Parameters
    ----------
    clean, noisy : Tensor
        Features of the clean and the noisy image, (N, C, H, W).

    Returns
    -------
    Tensor
        Mean over all positions: a scalar from -1 to 1.
    """
    mean = clean.mean(dim=(2, 3), keepdim=True)
    return functional.cosine_similarity(clean - mean, noisy - mean, dim=1).mean()


def effective_directions(feature: Tensor) -> float:
    """Return the participation ratio of the covariance of a feature's channels over positions.

    Parameters
    ----------
    feature : Tensor
        Feature of one image, (N, C, H, W), with N > 1 if its colours are seen one by one.

    Returns
    -------
    float
        Effective number of directions, from 1 to C; 0 if the feature is constant.
    """
    flat = feature.transpose(0, 1).flatten(1).double()
    variances = torch.linalg.svdvals(flat - flat.mean(dim=1, keepdim=True)).square()
    total = variances.square().sum()
    return (variances.sum().square() / total).item() if total > 0 else 0.0


def _to_tensor(values: np.ndarray, rgb: bool) -> Tensor:
    """Crop the centre of an image, or of a stack's first plane, to a multiple of the stride."""
    n_axes = 3 if rgb else 2
    plane = values.reshape(-1, *values.shape[-n_axes:])[0]
    planes = np.moveaxis(plane, -1, 0) if rgb else plane[np.newaxis]
    size = [min(LARGEST, side // STRIDE * STRIDE) for side in planes.shape[1:]]
    if not all(size):
        raise InputError(f"Images of fewer than {STRIDE} pixels a side have no features.")
    y, x = ((side - kept) // 2 for side, kept in zip(planes.shape[1:], size, strict=True))
    cut = planes[:, y : y + size[0], x : x + size[1]]
    return torch.from_numpy(np.ascontiguousarray(cut, np.float32))[None]
