"""From trained weights to a model file with its card."""

from importlib.metadata import version
from pathlib import Path

import torch

from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, save_model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.recipe import Recipe

EXACT_HALO = 96
"""Reach in pixels of a network with two blocks a stage and ``align_corners=False``: with this
halo tiles equal the whole plane to float precision (measured; 80 gives 3e-4 of the range)."""


def write_model(
    recipe: Recipe, denoiser: Denoiser, path: Path, parent: Model | None = None
) -> Model:
    """Write a trained denoiser as a model file, in half precision.

    Parameters
    ----------
    recipe : Recipe
        What it was trained by.
    denoiser : Denoiser
        The trained network.
    path : Path
        The ``.safetensors`` file.
    parent : Model, optional
        What the training began with.
    """
    noise = recipe.noise
    card = ModelCard(
        name=recipe.name,
        description=recipe.description,
        network=recipe.network,
        halo=EXACT_HALO,
        encoder=EncoderCard(source=f"trained by the recipe '{recipe.name}', then frozen"),
        recipe=recipe.model_dump(mode="json"),
        data=recipe.data_terms,
        noise=(
            f"Gaussian to sigma {noise.sigma[1]:.3f} of the range, white and correlated; "
            f"Poisson-Gaussian from {noise.photons[0]:g} to {noise.photons[1]:g} photons"
        ),
        seed=recipe.seed,
        parent_sha256=parent.sha256 if parent else "",
        software={name: version(name) for name in ("napari-clip-denoise", "torch", "numpy")},
        licence=recipe.licence,
    )
    return save_model(Model(card, denoiser), path, dtype=torch.float16)
