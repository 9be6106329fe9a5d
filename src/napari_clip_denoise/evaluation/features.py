"""Measurement of how much noise changes the features of an encoder, as argued in the paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_clip_denoise.errors import InputError, OutputError, door
from napari_clip_denoise.evaluation.scores.datasets import (
    CleanImage,
    clean_images,
    read_image,
)
from napari_clip_denoise.evaluation.scores.noises import add_noise, chosen_noises
from napari_clip_denoise.evaluation.scores.report import markdown_table
from napari_clip_denoise.models.clip_source import is_clip
from napari_clip_denoise.models.registry import load
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.denoiser import STRIDE, Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.pretrain.encoders import RANDOM, load_encoder

DEPTHS = (1, 2, 3, 4)
LARGEST = 512
View = Callable[[Tensor, float], list[Tensor]]
"""Features F1 to F4 of an image (1, C, Y, X) with noise of a certain level."""


@dataclass(frozen=True)
class FeatureSimilarity:
    """Similarity between an encoder's features of noisy and of clean images.

    Attributes
    ----------
    encoder, noise : str
        Names of the encoder and of the noise.
    cosine : tuple of float
        Mean cosine similarity of F1 to F4, over images and positions; 1 means no change.
    image : float
        The same measure for the image itself, F0.
    directions : tuple of float
        Effective number of directions that F1 to F4 use in the clean images. A feature that only
        repeats the brightness uses one; it resists noise but says little about the content.
    """

    encoder: str
    noise: str
    cosine: tuple[float, ...]
    image: float
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
    """Measure how much noise changes the features of encoders.

    At each position, the channel vector of the noisy image's feature is compared with that of the
    clean image; see `cosine_similarity`. The encoder of a model sees what it sees in the network: a
    network for grey images gets the colours one by one, and a network that is told the noise level
    is told the root mean square of the noise, and 0 for the clean image.

    Parameters
    ----------
    encoders : sequence of str
        ``"clip-rn50"`` (CLIP's own encoder), ``"random"`` (random weights in the architecture of
        the previous encoder, or of CLIP's if it comes first), or models by name or file.
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
    chosen = chosen_noises(noises)
    shape = EncoderConfig()
    results = []
    for source in encoders:
        if source == RANDOM or is_clip(source):
            encoder = load_encoder(source, shape, seed=seed, clip_weights=clip_weights)
            shape, view = encoder.config, partial(_of_encoder, encoder)
        else:
            denoiser = load(source, clip_weights=clip_weights).denoiser
            shape, view = denoiser.config.encoder, partial(_of_network, denoiser)
        for noise in chosen:
            measured = np.array([_of_image(view, image, noise) for image in images])
            similarity, directions = measured.mean(axis=0).tolist()
            results.append(
                FeatureSimilarity(
                    source, noise, tuple(similarity[1:]), similarity[0], tuple(directions[1:])
                )
            )
    return results


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
def _of_image(view: View, image: CleanImage, noise: str) -> list[list[float]]:
    """Return the similarities of F0 to F4, and the effective number of directions of each."""
    pair = [
        _to_tensor(values, image.rgb)
        for values in (image.unit, add_noise(image.unit, noise, rgb=image.rgb))
    ]
    level = (pair[1] - pair[0]).square().mean().sqrt().item()
    before, after = ([each, *view(each, told)] for each, told in zip(pair, (0, level), strict=True))
    return [
        [cosine_similarity(a, b).item() for a, b in zip(before, after, strict=True)],
        [effective_directions(a) for a in before],
    ]


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
        Effective number of directions, from 1 to C.
    """
    flat = feature.transpose(0, 1).flatten(1).double()
    variances = torch.linalg.svdvals(flat - flat.mean(dim=1, keepdim=True)).square()
    return (variances.sum().square() / variances.square().sum()).item()


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


def to_markdown(results: Sequence[FeatureSimilarity]) -> str:
    """Return a table of the similarities and a table of the directions used, in Markdown."""
    rows = [
        [one.encoder, one.noise, *(f"{value:.3f}" for value in (one.image, *one.cosine))]
        for one in results
    ]
    used = {one.encoder: [f"{value:.1f}" for value in one.directions] for one in results}
    return "\n\n".join(
        (
            "Cosine similarity to the clean image",
            markdown_table(["encoder", "noise", "image", "F1", "F2", "F3", "F4"], rows),
            "Directions that a feature uses in clean images",
            markdown_table(
                ["encoder", "F1", "F2", "F3", "F4"], [[name, *row] for name, row in used.items()]
            ),
        )
    )


def plot(results: Sequence[FeatureSimilarity], path: str | Path) -> Path:
    """Draw a panel for each encoder, with a line for each noise over F0 (the image) to F4.

    Parameters
    ----------
    results : sequence of FeatureSimilarity
        Similarities to draw.
    path : str or Path
        Picture file, such as ``.png`` or ``.svg``.

    Returns
    -------
    Path
        The picture file.

    Raises
    ------
    InputError
        If matplotlib is missing or does not know the format.
    OutputError
        If the picture cannot be written.
    """
    if find_spec("matplotlib") is None:
        raise InputError(
            "The plot needs matplotlib; install it with pip install "
            "'napari-clip-denoise[comparison]'."
        )
    from matplotlib.figure import Figure

    encoders = list(dict.fromkeys(one.encoder for one in results))
    figure = Figure(figsize=(1.5 + 3.4 * len(encoders), 3.6), layout="constrained")
    panels = figure.subplots(1, len(encoders), sharey=True, squeeze=False)[0]
    for panel, encoder in zip(panels, encoders, strict=True):
        for one in (one for one in results if one.encoder == encoder):
            panel.plot(["image", "F1", "F2", "F3", "F4"], (one.image, *one.cosine), "o-",
                       label=one.noise, markersize=3)  # fmt: skip
        panel.set_title(Path(encoder).stem)
    panels[0].set_ylabel("cosine similarity to the clean image")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    try:
        figure.savefig(path)
    except ValueError as error:
        raise InputError(f"{path} has no format of a picture; give a .png or .svg.") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    return Path(path)
