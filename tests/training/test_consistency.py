"""The loss that holds features of noisy images to those of the clean ones."""

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from interrupted import train_until
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.finetune.consistency import (
    TrainedDenoiser,
    cosine_similarity,
    feature_distance,
)
from napari_clip_denoise.training.pretrain import fit
from napari_clip_denoise.training.pretrain.encoders import with_encoder
from napari_clip_denoise.training.pretrain.log import read_log
from napari_clip_denoise.training.pretrain.recipe import ImageGroup, Noise, Optimisation, Recipe
from tiny_network import TINY


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed in range(3):
        image = (255 * fluorescence((70, 80), seed=seed).clip(0, 1)).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{seed}.png")
    return folder


def recipe(**optimisation):
    common = {"steps": 60, "batch": 4, "crop": 32, "warm_up": 5, "checkpoint_every": 20}
    return Recipe(
        name="small",
        network=TINY,
        groups=(ImageGroup(folder="."),),
        noise=Noise(sigma=(0.2, 0.2)),
        optimisation=Optimisation(
            **common | {"precision": "float32", "calibrate": True} | optimisation
        ),
    )


def test_similarity_is_its_definition():
    torch.manual_seed(0)
    feature = torch.randn(1, 8, 64, 64)
    assert cosine_similarity(feature, feature).item() == pytest.approx(1)
    mirrored = feature.mean(dim=(2, 3), keepdim=True) * 2 - feature
    assert cosine_similarity(feature, mirrored).item() == pytest.approx(-1)
    noise = torch.randn(1, 8, 64, 64)
    assert cosine_similarity(feature + 9, feature + 9 + noise).item() < 0.8
    assert feature_distance([feature] * 2, [feature, mirrored]).item() == pytest.approx(1)


def test_the_distance_of_equal_images_is_zero_and_grows_with_noise():
    torch.manual_seed(0)
    trained = TrainedDenoiser(Denoiser(TINY).train(), is_measured=True)
    clean = torch.rand(2, 1, 64, 64)
    noise = torch.randn(2, 1, 64, 64)
    distances = [trained(clean + level * noise, clean)[1].item() for level in (0, 0.1, 0.5)]
    assert distances[0] == pytest.approx(0, abs=1e-5)
    assert distances[0] < distances[1] < distances[2]


def test_the_clean_side_has_no_gradient_and_the_noisy_one_has():
    torch.manual_seed(0)
    denoiser = Denoiser(TINY).train()
    denoiser.encoder.requires_grad_(True)
    noisy, clean = (torch.rand(2, 1, 64, 64, requires_grad=True) for _ in range(2))
    TrainedDenoiser(denoiser, is_measured=True)(noisy, clean)[1].backward()
    assert clean.grad is None
    assert noisy.grad.any()
    assert all(stage[-1].conv3.weight.grad is not None for stage in denoiser.encoder.stages)


def test_it_is_the_denoiser_where_nothing_is_measured():
    torch.manual_seed(0)
    denoiser = Denoiser(TINY, augmentation_level=0).train()
    image = torch.rand(2, 1, 64, 64)
    denoised, distance = TrainedDenoiser(denoiser, is_measured=False)(image, image)
    assert torch.equal(denoised, denoiser(image))
    assert distance == 0


def test_training_brings_features_together(data, tmp_path):
    last = {}
    for weight in (1e-9, 1.0):
        run = tmp_path / str(weight)
        fit.train(recipe(consistency=weight), data, run)
        last[weight] = read_log(run / fit.LOG)
    (joint, consistent) = last.values()
    assert consistent[-1]["consistency"] < 0.9 * consistent[0]["consistency"]
    assert consistent[-1]["consistency"] < 0.9 * joint[-1]["consistency"]


def test_a_run_without_it_logs_none(data, tmp_path):
    fit.train(recipe(steps=2), data, tmp_path)
    (row,) = read_log(tmp_path / fit.LOG)
    assert "consistency" not in row


def test_a_resumed_training_is_that_of_one_go(data, tmp_path):
    settings = recipe(steps=20, checkpoint_every=8, consistency=0.5)
    whole = fit.train(settings, data, tmp_path / "whole")
    train_until(13, settings, data, tmp_path / "parts")
    resumed = fit.train(settings, data, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    rows = [read_log(tmp_path / run / fit.LOG) for run in ("whole", "parts")]
    assert [r["consistency"] for r in rows[0]] == [r["consistency"] for r in rows[1]]


def test_encoder_first_then_a_decoder_on_it_frozen(data, tmp_path):
    first = fit.train(recipe(steps=4, consistency=0.5), data, tmp_path / "first")
    frozen = recipe(steps=4, train_encoder=False, augmentation_level=0.05)
    second = fit.train(frozen, data, tmp_path / "second", start=first)
    for name, value in first.encoder.state_dict().items():
        assert torch.equal(second.encoder.state_dict()[name], value), name
    assert not torch.equal(second.decoder.last.weight, first.decoder.last.weight)


def test_a_frozen_encoder_learns_no_consistency():
    with pytest.raises(ValidationError, match="an encoder that is trained"):
        Optimisation(consistency=0.1, train_encoder=False)
    frozen = with_encoder(recipe(consistency=0.1), "random").optimisation
    assert frozen.consistency == 0
    Optimisation.model_validate(frozen.model_dump())
