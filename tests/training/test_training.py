from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from timm.optim.muon import Muon

from napari_clip_denoise import load
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.data.augment import (
    crop_plane,
    make_colour,
    mix_samples,
    remap,
)
from napari_clip_denoise.training.data.clean_images import CleanPlane
from napari_clip_denoise.training.data.noise_synthesis import KINDS, corrupt
from napari_clip_denoise.training.data.settings import ImageGroup, Noise, Remap, Simulation
from napari_clip_denoise.training.optim import learning_rate, make_optimiser
from napari_clip_denoise.training.optimisation import Optimisation
from napari_clip_denoise.training.pretrain import fit
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "cells").mkdir()
    for seed in range(3):
        image = (255 * fluorescence((70, 80), seed=seed).clip(0, 1)).astype(np.uint8)
        Image.fromarray(image).save(folder / "cells" / f"{seed}.png")
    return folder


def recipe(**optimisation):
    return Recipe(
        name="small",
        network=DenoiserConfig(EncoderConfig((1, 1, 1), 8), 1, (32, 16, 16, 8, 8), False, True),
        groups=(ImageGroup(folder="cells"),),
        simulation=Simulation(weight=0.5, planes=4),
        remap=Remap(probability=0.5),
        optimisation=Optimisation(
            **{
                "steps": 40,
                "batch": 4,
                "crop": 32,
                "warm_up": 5,
                "checkpoint_every": 10,
                "precision": "float32",
            }
            | optimisation
        ),
    )


def test_training_lowers_the_loss_and_gives_a_model(data, tmp_path):
    entries = []
    settings = recipe(steps=200)
    denoiser = fit.train(settings, data, tmp_path / "run", on_progress=entries.append)
    assert entries[-1]["step"] == 200
    assert entries[-1]["loss"] < 0.9 * entries[0]["loss"]
    model = write_model(settings, denoiser, tmp_path / "small.safetensors")
    assert load(tmp_path / "small.safetensors").sha256 == model.sha256
    noisy, _, clean = fit.training_patches(settings, data).batch(999)
    with torch.no_grad():
        denoised = model.denoiser(torch.from_numpy(noisy)).numpy()
    assert np.square(denoised - clean).mean() < 0.7 * np.square(noisy - clean).mean()


@pytest.mark.parametrize(
    ("optimiser", "cls"), [("adamw", torch.optim.AdamW), ("muon", Muon)], ids=["adamw", "muon"]
)
def test_a_resumed_training_is_that_of_one_go(data, tmp_path, monkeypatch, optimiser, cls):
    settings = recipe(optimiser=optimiser, init_weight=0.25)
    whole = fit.train(settings, data, tmp_path / "whole")

    class Interrupted(Exception):
        pass

    original = cls.step
    calls = []

    def step(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 26:
            raise Interrupted
        return original(self, *args, **kwargs)

    monkeypatch.setattr(cls, "step", step)
    with pytest.raises(Interrupted):
        fit.train(settings, data, tmp_path / "parts")
    with pytest.raises(InputError, match="already holds a training"):
        fit.train(settings, data, tmp_path / "parts")
    resumed = fit.train(settings, data, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)


def test_a_share_of_the_weights_that_were_begun_with_may_stay(data, tmp_path):
    start = fit.train(recipe(steps=10), data, tmp_path / "start")
    moved = fit.train(recipe(), data, tmp_path / "moved", init_from=start)
    mixed = fit.train(recipe(init_weight=0.25), data, tmp_path / "mixed", init_from=start)
    for name, value in mixed.state_dict().items():
        ends = start.state_dict()[name], moved.state_dict()[name]
        if value.is_floating_point():
            torch.testing.assert_close(value, torch.lerp(ends[1], ends[0], 0.25), msg=name)


def test_parts_of_the_network_may_be_left_to_adamw(data):
    denoiser = Denoiser(recipe().network)
    left = make_optimiser(
        denoiser, Optimisation(optimiser="muon", fallback=("decoder.up_path.0",))
    ).param_groups
    fallen_back = {id(p) for p in left[1]["params"]}
    assert left[1]["use_fallback"]
    assert fallen_back == {id(p) for p in denoiser.decoder.up_path[0].parameters()}


def test_learning_rates_rise_and_fall():
    common = {"learning_rate": 1.0, "final_learning_rate": 0.1, "warm_up": 10, "steps": 110}
    for schedule in ("cosine", "trapezoid"):
        settings = Optimisation(schedule=schedule, cool_down=0.25, **common)
        rates = [learning_rate(step, settings) for step in range(111)]
        assert rates[0] == pytest.approx(0.1)
        assert rates[10] == max(rates) == pytest.approx(1)
        assert rates[-1] == min(rates) == pytest.approx(0.1)
        assert np.all(np.diff(rates[10:]) <= 1e-12)
        assert rates[60] == pytest.approx({"cosine": 0.55, "trapezoid": 1}[schedule])


def test_a_frozen_encoder_is_left_alone(data, tmp_path):
    settings = recipe(steps=10, train_encoder=False)
    torch.manual_seed(settings.seed)
    before = fit.Denoiser(settings.network).encoder.state_dict()
    after = fit.train(settings, data, tmp_path / "run").encoder.state_dict()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def test_a_training_starts_from_the_weights_that_fit(data, tmp_path):
    settings = recipe(steps=1, learning_rate=0.0, final_learning_rate=0.0, weight_decay=0.0)
    torch.manual_seed(7)
    start = fit.Denoiser(replace(settings.network, channels=3))
    trained = fit.train(settings, data, tmp_path / "run", init_from=start)
    for name, value in start.encoder.state_dict().items():
        torch.testing.assert_close(trained.encoder.state_dict()[name], value, msg=name)
    inner = "decoder.up_path.2.conv_block.block.0.weight"
    torch.testing.assert_close(trained.state_dict()[inner], start.state_dict()[inner])
    assert trained.state_dict()["decoder.last.weight"].shape[0] == 1
    other = fit.Denoiser(replace(settings.network, encoder=EncoderConfig((1, 1, 1), 16)))
    with pytest.raises(InputError, match="encoder of another shape"):
        fit.train(settings, data, tmp_path / "other", init_from=other)


def test_the_same_step_gives_the_same_patches(data):
    first, second = (fit.training_patches(recipe(), data) for _ in range(2))
    for a, b in zip(first.batch(3), second.batch(3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.batch(3)[0], first.batch(4)[0])


def test_shares_of_several_devices_are_the_batch(data):
    source = fit.training_patches(recipe(), data)
    whole, shares = source.batch(3)[0], [source.batch(3, rank, 2)[0] for rank in (0, 1)]
    np.testing.assert_array_equal(whole[::2], shares[0])
    np.testing.assert_array_equal(whole[1::2], shares[1])


def test_a_batch_that_cannot_be_shared_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="batch of 4 cannot be shared by 3 devices"):
        fit.train(recipe(), data, tmp_path / "run", devices=3)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_noise_is_about_its_clean_patch(kind):
    clean = fluorescence((128, 128), seed=1)
    if kind == "camera":
        clean = np.stack([clean] * 3).clip(0.1, 0.9)
    noise = Noise(
        **{"gaussian": 0, kind: 1}, photons=(20, 20), sigma=(0.1, 0.1), faint_sigma=(0.005, 0.01)
    )
    noisy, _, target = corrupt(clean, noise, np.random.default_rng(0))
    assert noisy.dtype == target.dtype == np.float32
    assert 0.001 < (noisy - target).std() < 0.3
    assert (noisy - target).mean() == pytest.approx(0, abs=0.005)
    assert np.corrcoef(target.ravel(), clean.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("kind", ["poisson_gaussian", "stabilised"])
def test_smeared_photons_correlate_and_stay_about_their_clean_patch(kind):
    settings = {"gaussian": 0, kind: 1, "photons": (20, 20), "blur_width": (0.6, 0.6)}
    noise = Noise(**settings, p_blur=1, blur_fraction=(0.5, 0.5))
    clean = fluorescence((1, 128, 128), seed=1)
    noisy, _, target = corrupt(clean, noise, np.random.default_rng(0))
    residual = noisy - target
    neighbours = np.corrcoef(residual[..., 1:].ravel(), residual[..., :-1].ravel())[0, 1]
    assert 0.1 < neighbours < 0.4
    assert residual.mean() == pytest.approx(0, abs=0.005)
    assert np.corrcoef(target.ravel(), clean.ravel())[0, 1] > 0.95


def test_artefacts_come_on_top():
    noise = Noise(sigma=(0, 0), stripes=1, salt_and_pepper=1, quantised=1, impulses=(0.02, 0.02))
    noisy, _, clean = corrupt(np.full((99, 99), 0.4, np.float32), noise, np.random.default_rng(0))
    np.testing.assert_allclose(noisy * 255, np.rint(noisy * 255), atol=1e-3)
    assert (noisy == 0).sum() > 50
    assert 0.003 < np.median(np.abs(noisy - clean)) < 0.1


def test_halving_averages_the_noise_of_clean_images_away():
    rng = np.random.default_rng(0)
    plane = CleanPlane(rng.normal(100, 10, (200, 200)), 0, 100)
    full, half = (crop_plane(plane, 64, share, rng) for share in (0, 1))
    assert full.shape == half.shape == (1, 64, 64)
    assert half.std() == pytest.approx(full.std() / 2, rel=0.1)


def test_patches_have_the_channels_of_the_network(data):
    (data / "colour").mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(data / "colour" / "rgb.png")
    groups = (ImageGroup(folder="cells"), ImageGroup(folder="colour"))
    shape = DenoiserConfig(EncoderConfig((1, 1, 1), 8), 3, (32, 16, 16, 8, 8), False, True)
    for network in (recipe().network, shape):
        settings = recipe(batch=16).model_copy(update={"groups": groups, "network": network})
        noisy, _, clean = fit.training_patches(settings, data).batch(0)
        assert noisy.shape == clean.shape == (16, network.channels, 32, 32)
        assert noisy.dtype == clean.dtype == np.float32


def test_colour_is_kept_mixed_or_made():
    rng = np.random.default_rng(0)
    colour, grey = rng.random((3, 8, 8), np.float32), rng.random((1, 8, 8), np.float32)
    mixed = mix_samples(colour, rng)
    assert mixed.shape == (1, 8, 8)
    assert np.all((mixed >= colour.min(0)) & (mixed <= colour.max(0)))
    assert mix_samples(grey, rng) is grey
    kept = make_colour(colour, lambda: grey, rng)
    np.testing.assert_array_equal(np.sort(kept, axis=0), np.sort(colour, axis=0))
    other = rng.random((1, 8, 8), np.float32)
    made = [make_colour(grey, lambda: other, rng) for _ in range(40)]
    assert {image.shape for image in made} == {(3, 8, 8)}
    merged = [np.array_equal(image[1], other[0]) for image in made]
    assert 5 < sum(merged) < 35
    for image in (i for i, is_merged in zip(made, merged, strict=True) if not is_merged):
        assert abs(np.corrcoef(image[0].ravel(), grey.ravel())[0, 1]) == pytest.approx(1)


def test_remapping_moves_both_patches_alike():
    rng = np.random.default_rng(0)
    clean = rng.random((32, 32), np.float32)
    noisy = clean + 0.1
    level = np.full_like(clean, 0.1)
    noisy_moved, level_moved, clean_moved = remap(noisy, level, clean, Remap(probability=1), rng)
    gain = np.ptp(clean_moved) / np.ptp(clean)
    assert gain != pytest.approx(1)
    np.testing.assert_allclose(noisy_moved - clean_moved, 0.1 * gain, rtol=1e-3)
    np.testing.assert_allclose(level_moved, 0.1 * gain, rtol=1e-3)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(InputError, match="No image of at least 32 pixels"):
        fit.training_patches(recipe(), tmp_path)


def test_wrong_recipes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no recipe 'nonsense'; .*compact"):
        load_recipe("nonsense")
    (tmp_path / "r.yaml").write_text("name: [")
    with pytest.raises(InputError, match="not valid"):
        load_recipe(tmp_path / "r.yaml")


def test_names_of_former_versions_are_read():
    """Older model cards and recipes hold them."""
    before = {
        "name": "old",
        "network": {"channels": 1},
        "varied": False,
        "renewed": ["encoder.layer3"],
        "groups": [{"folder": "cells", "halve": 0.1}],
        "extremes": {"hot_share": [0.1, 0.2]},
        "noise": {"partly": 0.2, "smeared": 0.3, "smear_share": [0.1, 0.4], "smear_width": [1, 2]},
        "optimisation": {"start_share": 0.5},
    }
    read = Recipe.model_validate(before)
    assert read.augment is False
    assert read.reinit == ("encoder.layer3",)
    assert read.groups[0].p_downsample == 0.1
    assert read.extremes.hot_fraction == (0.1, 0.2)
    assert (read.noise.p_partial, read.noise.p_blur) == (0.2, 0.3)
    assert (read.noise.blur_fraction, read.noise.blur_width) == ((0.1, 0.4), (1, 2))
    assert read.optimisation.init_weight == 0.5
    written = read.model_dump(mode="json")
    assert Recipe.model_validate(written) == read
    assert not {"varied", "renewed"} & set(written)
