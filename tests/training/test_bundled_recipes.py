"""The bundled models' recipes: short runs, and resuming them exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interrupted import train_until
from napari_clip_denoise import load
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.pretrain import fit
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import load_recipe

STAGES = Path(__file__).parents[2] / "docs" / "research" / "recipes"
"""The earlier stages of the bundled models."""


@pytest.mark.parametrize("path", sorted(STAGES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_of_earlier_stages_can_be_read(path):
    assert load_recipe(str(path)).name == path.stem


@pytest.mark.parametrize("name", [str(STAGES / "compact-base.yaml"), "compact", "compact-rgb"])
def test_a_smoke_run_gives_a_model_and_resumes_exactly(name, tmp_path):
    recipe = load_recipe(name).smoke()
    for seed, group in enumerate(recipe.groups):
        (tmp_path / "data" / group.folder).mkdir(parents=True)
        image = (255 * fluorescence((70, 80), seed=seed).clip(0, 1)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "data" / group.folder / "0.png")
    whole = fit.train(recipe, tmp_path / "data", tmp_path / "whole")
    model = write_model(recipe, whole, tmp_path / "smoke.safetensors")
    assert load(tmp_path / "smoke.safetensors").sha256 == model.sha256
    train_until(3, recipe, tmp_path / "data", tmp_path / "parts")
    resumed = fit.train(recipe, tmp_path / "data", tmp_path / "parts", resume=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key
