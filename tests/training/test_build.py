import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from napari_clip_denoise import load
from napari_clip_denoise.cli.app import app
from napari_clip_denoise.errors import InputError, ModelError
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training import trainer
from napari_clip_denoise.training.data.clean_images import sample_planes
from napari_clip_denoise.training.data.settings import Simulation
from napari_clip_denoise.training.pretrain import build, fit
from napari_clip_denoise.training.pretrain.encoders import random_encoder
from napari_clip_denoise.training.pretrain.recipe import load_recipe

SHAPE = EncoderConfig((1, 1, 1), 8)


@pytest.fixture
def small(monkeypatch):
    """The recipe on a narrow encoder that stands for CLIP's, 8 steps long."""
    encoder = random_encoder(SHAPE, 0)
    for place in ("training.pretrain.build", "models.clip_encoder"):
        monkeypatch.setattr(
            f"napari_clip_denoise.{place}.load_clip_encoder", lambda *_, **__: encoder
        )
    monkeypatch.setattr(build, "_seconds_a_step", lambda *_: 1.0)
    recipe = load_recipe("clip-rn50")
    settings = recipe.optimisation.model_copy(update={"batch": 2, "crop": 32})
    return recipe.model_copy(
        update={
            "network": DenoiserConfig(SHAPE, 3, (64, 32, 16, 8, 8), False, True),
            "simulation": Simulation(weight=0.5, planes=2),
            "optimisation": settings,
        }
    )


def test_a_build_ends_with_a_model_that_has_a_card(small, models_folder):
    entries = []
    path = build.build_clip(minutes=8 / 60, recipe=small, on_progress=entries.append)
    assert path == models_folder / "clip-rn50.safetensors"
    assert list(models_folder.iterdir()) == [path]
    model = load("clip-rn50")
    assert model.card.encoder.included is False
    assert model.card.recipe["optimisation"]["steps"] == 8
    assert [entry["step"] for entry in entries] == list(range(1, 9))
    assert all(entry["score"] > 0 for entry in entries)
    assert len({entry["noisy"] for entry in entries}) == 1
    with pytest.raises(InputError, match="already a model 'clip-rn50'"):
        build.build_clip(recipe=small)


def test_what_is_worse_than_its_input_is_not_installed(small, tmp_path, models_folder, monkeypatch):
    monkeypatch.setattr(build, "_score", lambda *_, **__: 3.0)
    for run in (None, tmp_path / "run"):
        with pytest.raises(ModelError, match=r"After 2 steps .* worse .* -> 3.00 dB\) and was not"):
            build.build_clip(minutes=2 / 60, recipe=small, run=run)
        assert list(models_folder.iterdir()) == []


def test_the_time_of_a_build_is_planned_on_its_device_and_told(small, monkeypatch):
    asked, told = [], []

    def seconds(recipe, encoder, device):
        asked.append(device)
        return 0.5

    monkeypatch.setattr(build, "_seconds_a_step", seconds)
    build.build_clip(minutes=2 / 60, recipe=small, device="auto", on_start=told.append)
    assert asked == ["auto"]
    (sentence,) = told
    assert sentence.startswith("4 steps of training, in about 2 s. ")


def test_a_build_that_was_broken_off_goes_on(small, tmp_path, monkeypatch):
    whole = build.build_clip(minutes=8 / 60, recipe=small, run=tmp_path / "whole")
    expected = load(whole).sha256
    original = trainer.learning_rate

    def stop(step, settings):
        if step == 5:
            raise KeyboardInterrupt
        return original(step, settings)

    monkeypatch.setattr(trainer, "learning_rate", stop)
    again = {"recipe": small, "run": tmp_path / "parts", "overwrite": True}
    with pytest.raises(KeyboardInterrupt):
        build.build_clip(minutes=8 / 60, **again)
    monkeypatch.setattr(trainer, "learning_rate", original)
    entries = []
    path = build.build_clip(minutes=99, on_progress=entries.append, **again)
    assert entries[0]["step"] == 6
    assert load(path).sha256 == expected


def test_a_build_learns_from_a_folder(small, tmp_path):
    image = (255 * fluorescence((40, 50), seed=0).clip(0, 1)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "0.png")
    build.build_clip(tmp_path, minutes=2 / 60, recipe=small)
    assert load("clip-rn50").card.recipe["groups"][0]["folder"] == "."
    with pytest.raises(InputError, match="No image of at least"):
        build.build_clip(tmp_path / "missing", minutes=2 / 60, recipe=small, overwrite=True,
                         run=tmp_path / "run")  # fmt: skip


def test_the_check_set_is_not_trained_on(small):
    noisy, clean = build.check_patches(small)
    assert clean.shape == (8, 3, 32, 32)
    assert build.mean_psnr(clean + 0.1, clean) == pytest.approx(20, abs=0.01)
    assert build.mean_psnr(noisy, clean) < 60
    trained = fit.training_patches(small, ".").batch(0)[2]
    assert not any(np.array_equal(a, b) for a in clean for b in trained)


def test_a_step_takes_time(small, monkeypatch):
    monkeypatch.undo()
    assert build._seconds_a_step(small, random_encoder(SHAPE, 0), "cpu") > 0


def test_scikit_image_carries_the_samples(monkeypatch):
    monkeypatch.setattr("skimage.data._fetchers._image_fetcher", None)
    planes = sample_planes()
    assert len(planes) == 12
    assert all(plane.pixels.dtype == np.uint8 for plane in planes)
    assert all(min(plane.pixels.shape[:2]) >= 128 for plane in planes)


def test_only_clip_is_built_and_time_is_needed(small):
    done = CliRunner().invoke(app, ["models", "build", "compact"])
    assert "only clip-rn50 can" in str(done.exception)
    with pytest.raises(InputError, match="0 minutes cannot train"):
        build.build_clip(minutes=0, recipe=small)


def test_the_command_builds(small, monkeypatch, models_folder):
    monkeypatch.setattr(build, "load_recipe", lambda _: small)
    torch.manual_seed(0)
    done = CliRunner().invoke(app, ["models", "build", "clip-rn50", "--minutes", "0.034"])
    assert done.exit_code == 0, done.stderr
    assert "step 2/2" in done.stdout
    assert "check set" in done.stdout
    assert str(models_folder / "clip-rn50.safetensors") in done.stdout.replace("\n", "")
