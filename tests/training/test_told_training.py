"""Training of a network that is told the noise level."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from napari_clip_denoise import load
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.data.settings import (
    Extremes,
    ImageGroup,
    Noise,
    NoiseLevel,
    Simulation,
    Textures,
)
from napari_clip_denoise.training.optimisation import Optimisation
from napari_clip_denoise.training.pretrain import fit
from napari_clip_denoise.training.pretrain.encoders import calibrate
from napari_clip_denoise.training.pretrain.log import read_log
from napari_clip_denoise.training.pretrain.losses import relative_error
from napari_clip_denoise.training.pretrain.package import exact_halo, write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe
from napari_clip_denoise.training.pretrain.rectifiers import RectifierGuard, alive

TOLD = DenoiserConfig(
    EncoderConfig((1, 1, 1), 8, shifts=False), 1, (32, 16, 16, 16), False, True, 2, 3, True
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "cells").mkdir()
    for seed in range(2):
        image = (255 * fluorescence((70, 80), seed=seed).clip(0, 1)).astype(np.uint8)
        Image.fromarray(image).save(folder / "cells" / f"{seed}.png")
    return folder


def recipe(**optimisation):
    return Recipe(
        name="told",
        network=TOLD,
        groups=(ImageGroup(folder="cells"),),
        simulation=Simulation(weight=0.3, planes=3),
        textures=Textures(weight=0.2, planes=3),
        extremes=Extremes(structures=0.2, saturated=0.1, scaled=0.1, hot=0.1),
        noise=Noise(
            gaussian=0.6, poisson_gaussian=0.2, stabilised=0.2, maps=0.3, stripes=0.2,
            stripe_ratio=(0.2, 1),
        ),
        optimisation=Optimisation(
            **{
                "optimiser": "muon",
                "steps": 30,
                "batch": 4,
                "crop": 32,
                "warm_up": 5,
                "checkpoint_every": 10,
                "precision": "float32",
                "loss": "relative",
                "calibrate": True,
                "alive": 0.01,
            }
            | optimisation
        ),
    )  # fmt: skip


def test_a_resumed_training_is_that_of_one_go(data, tmp_path):
    whole = fit.train(recipe(), data, tmp_path / "whole")

    class Interrupted(Exception):
        pass

    def tick(done):
        if done == 17:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit.train(recipe(), data, tmp_path / "parts", on_step=tick)
    resumed = fit.train(recipe(), data, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_the_trained_network_uses_the_level_and_its_constants_stay_0(data, tmp_path):
    settings = recipe(steps=120, learning_rate=0.01, average_decay=0.9)
    denoiser = fit.train(settings, data, tmp_path / "run")
    for module in denoiser.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert not module.bias.any()
            assert not module.running_mean.any()
    assert denoiser.unknown_level != Denoiser(TOLD).unknown_level
    model = write_model(settings, denoiser, tmp_path / "told.safetensors")
    loaded = load(tmp_path / "told.safetensors")
    assert loaded.card.network == model.card.network == TOLD
    assert loaded.sha256 == model.sha256
    flat, noise = torch.full((8, 1, 64, 64), 0.5), torch.randn(8, 1, 64, 64).mul_(0.2)
    with torch.no_grad():
        left = [
            (loaded.denoiser(flat + noise, torch.full_like(flat, level)) - flat).std().item()
            for level in (0.01, 0.05, 0.2)
        ]
    assert left[0] > left[1] > left[2]
    assert left[2] < 0.9 * 0.2


def test_the_halo_of_a_deeper_decoder_reaches_further():
    torch.manual_seed(0)
    denoiser = Denoiser(TOLD).eval().requires_grad_(False)
    image = torch.rand(1, 1, 512, 64)
    calibrate(denoiser.encoder, [denoiser.prepare(image)[1]])
    whole, part = denoiser(image), denoiser(image[:, :, 256:])
    change = (whole[:, :, 256:] - part).abs().amax(dim=(0, 1, 3))
    halo = exact_halo(TOLD)
    assert halo == 160
    assert change[0] > 1e-3
    assert change[halo:].max() < 2e-6 * whole.abs().max()


def test_the_log_tells_what_is_alive(data, tmp_path):
    fit.train(recipe(steps=10), data, tmp_path / "run")
    last = read_log(tmp_path / "run" / fit.LOG)[-1]
    assert last["step"] == 10
    for depth in (1, 2, 3, 4):
        assert 0.5 < last[f"alive_{depth}"] <= 1


def test_batches_tell_the_level_or_nothing(data):
    settings = recipe(batch=64).model_copy(update={"level": NoiseLevel(unknown=0.5)})
    noisy, level, clean = fit.training_patches(settings, data).batch(0)
    assert noisy.shape == level.shape == clean.shape == (64, 1, 32, 32)
    assert level.dtype == np.float32
    unknown = np.isnan(level)
    assert set(unknown.mean(axis=(1, 2, 3))) == {0.0, 1.0}
    assert 0.3 < unknown.mean() < 0.7
    assert (level[~unknown] >= 0).all()


def test_mixup_has_no_level():
    with pytest.raises(ValueError, match="mixup blends"):
        recipe(mixup=0.5)


def test_the_relative_loss_gives_patches_of_any_scale_about_the_same_weight():
    torch.manual_seed(0)
    clean, noise = torch.rand(1, 1, 32, 32), torch.randn(1, 1, 32, 32)

    def loss(level, left):
        return relative_error(clean + left * level * noise, clean + level * noise, clean).item()

    assert loss(0.1, 0.5) == pytest.approx(2 * loss(0.1, 0.25), rel=0.01)
    assert loss(0.4, 0.25) == pytest.approx(2 * loss(0.1, 0.25), rel=0.01)
    worse = [loss(0.1, left) for left in (1, 10, 100)]
    assert worse[1] - worse[0] == pytest.approx(worse[2] - worse[1], rel=0.01)
    assert loss(0.0, 1) < 1e-2


def test_the_guard_opens_closed_rectifiers():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig((1, 1, 1), 8, shifts=False))
    encoder.set_trainable(True)
    images = torch.rand(2, 3, 64, 64)
    calibrate(encoder, [images])
    with torch.no_grad():
        encoder.conv3.weight[:4] = -encoder.conv3.weight[:4].abs()
    guard = RectifierGuard(encoder)
    optimiser = torch.optim.Adam(encoder.parameters(), 0.01)

    def closed():
        with torch.no_grad():
            return (encoder(images)[0].amax((0, 2, 3)) == 0).sum().item()

    assert closed() == 4
    for _ in range(40):
        encoder(images)
        penalty = guard.penalty()
        optimiser.zero_grad()
        penalty.backward()
        optimiser.step()
    assert closed() == 0
    encoder(images)
    assert guard.penalty() < 0.1


def test_dead_channels_are_counted():
    torch.manual_seed(0)
    denoiser = Denoiser(TOLD).eval()
    image, level = torch.rand(2, 1, 64, 64), torch.full((2, 1, 64, 64), 0.1)
    calibrate(denoiser.encoder, [denoiser.prepare(image, level)[1].detach()])
    with torch.no_grad():
        denoiser.encoder.conv3.weight[:2] = -denoiser.encoder.conv3.weight[:2].abs()
    assert alive(denoiser, image, level)[0] == pytest.approx(6 / 8)


def test_calibration_without_constants_sets_powers_and_no_means():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig((1, 1, 1), 8, shifts=False))
    images = [torch.rand(2, 3, 64, 64) for _ in range(2)]
    calibrate(encoder, images)
    inputs = []
    encoder.bn2.register_forward_hook(lambda _, __, output: inputs.append(output.clone()))
    encoder(torch.cat(images))
    assert inputs[0].square().mean((0, 2, 3)).sqrt().allclose(torch.ones(4), atol=1e-3)
    assert not encoder.bn2.running_mean.any()
