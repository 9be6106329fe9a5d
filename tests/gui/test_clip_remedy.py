import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

import reference
from napari_clip_denoise import denoise, load
from napari_clip_denoise.models.clip_cache import kept_encoder
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.training.data.settings import Simulation
from napari_clip_denoise.training.pretrain import build
from napari_clip_denoise.training.pretrain.encoders import random_encoder
from napari_clip_denoise.training.pretrain.recipe import load_recipe

WAIT = 240_000
SHAPE = EncoderConfig((1, 1, 1), 8)


@pytest.fixture
def remedy(widget, qtbot):
    """The message below the form once the paper's network is chosen."""
    assert widget.help.remedy.isHidden()
    widget.form.model.value = "clip-rn50"
    qtbot.waitUntil(widget.help.remedy.isVisible)
    return widget.help.remedy


@pytest.fixture
def clip_file(tmp_path):
    """A file with weights of CLIP's shape, but random."""
    path = tmp_path / "rn50.pt"
    tensors = random_encoder(EncoderConfig(), 0).state_dict()
    torch.save({f"visual.{name}": value for name, value in tensors.items()}, path)
    return path


@pytest.fixture
def recipe(monkeypatch):
    """A recipe with small patches, and a step a second."""
    recipe = load_recipe("clip-rn50")
    settings = recipe.optimisation.model_copy(update={"batch": 1, "crop": 32})
    recipe = recipe.model_copy(
        update={
            "samples": 0.0,
            "simulation": Simulation(weight=1, planes=1),
            "optimisation": settings,
        }
    )
    monkeypatch.setattr(build, "load_recipe", lambda _: recipe)
    monkeypatch.setattr(build, "_seconds_a_step", lambda *_: 1.0)
    monkeypatch.setattr(build, "CHECK_PATCHES", 1)
    monkeypatch.setattr(build, "_score", lambda *_, **__: 40.0)
    return recipe


@pytest.fixture
def narrow(recipe, monkeypatch):
    """The recipe on a narrow encoder that stands for CLIP's."""
    network = DenoiserConfig(SHAPE, 3, (64, 32, 16, 8, 8), False, True)
    recipe = recipe.model_copy(update={"network": network})
    monkeypatch.setattr(build, "load_recipe", lambda _: recipe)
    monkeypatch.setattr(build, "load_clip_encoder", lambda *_, **__: random_encoder(SHAPE, 0))


def test_a_checkpoint_is_imported(widget, remedy, qtbot, errors, tmp_path):
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"no checkpoint")
    remedy.import_file(wrong)
    qtbot.waitUntil(lambda: bool(errors()), timeout=WAIT)
    assert "wrong.pth" in errors()[0]
    right = tmp_path / "net_g_latest.pth"
    torch.save({"params": reference.random_checkpoint(3, layers=(1, 2, 1, 1), width=8)}, right)
    remedy.import_file(right)
    qtbot.waitUntil(lambda: not remedy.isVisible(), timeout=WAIT)
    assert widget.form.model.value == "clip-rn50"


def test_the_authors_page_is_linked(remedy):
    texts = [label.text() for label in remedy.findChildren(QLabel)]
    assert any("href='https://github.com/alwaysuu/CLIPDenoising'" in text for text in texts)


def test_a_decoder_is_built_and_used(
    widget, viewer, run, remedy, recipe, qtbot, clip_file, noisy, monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    remedy.minutes.value = 2 / 60
    remedy.weights.value = clip_file
    qtbot.mouseClick(remedy.build_button, Qt.MouseButton.LeftButton)
    assert not remedy.import_button.isEnabled()
    assert "Loading CLIP's encoder" in remedy.progress.label.text()
    qtbot.waitUntil(lambda: "step 1 of 2" in remedy.progress.label.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: not remedy.task.is_running, timeout=WAIT)
    assert "'clip-rn50' is ready" in remedy.progress.label.text()
    assert not remedy.isVisible()
    assert widget.form.model.value == "clip-rn50"
    model = load("clip-rn50")
    assert model.card.recipe["optimisation"]["steps"] == 2
    expected = denoise(noisy[0], model, device="cpu")

    assert widget.help.encoder_remedy.isHidden()
    kept_encoder().unlink()
    widget.form.model.value = "tiny"
    widget.form.model.value = "clip-rn50"
    assert not widget.help.encoder_remedy.isHidden()
    assert widget.help.remedy.isHidden()
    widget.help.encoder_remedy.fetch(clip_file)
    qtbot.waitUntil(widget.help.encoder_remedy.isHidden, timeout=WAIT)
    viewer.add_image(noisy[0])
    np.testing.assert_array_equal(run().data, expected)


def test_a_build_is_cancelled_and_goes_on(remedy, narrow, qtbot, models_folder):
    remedy.minutes.value = 10
    remedy.build_button.click()
    qtbot.waitUntil(lambda: 0 < remedy.progress.fraction < 1, timeout=WAIT)
    qtbot.waitUntil(lambda: " dB" in remedy.progress.label.text(), timeout=WAIT)
    assert "left" in remedy.progress.label.text()
    remedy.cancel_button.click()
    assert remedy.progress.label.text() == "Cancelling …"
    qtbot.waitUntil(lambda: not remedy.task.is_running, timeout=WAIT)
    assert "continues from the last checkpoint" in remedy.progress.label.text()
    assert remedy.build_button.isEnabled()
    assert not list(models_folder.glob("clip-rn50.safetensors"))
    remedy.build_button.click()
    qtbot.waitUntil(lambda: remedy.progress.label.text().startswith("step"), timeout=WAIT)
    assert int(remedy.progress.label.text().split()[1]) > 30
    remedy.cancel_button.click()
    qtbot.waitUntil(lambda: not remedy.task.is_running, timeout=WAIT)


def test_without_weights_it_says_what_to_do(remedy, qtbot, errors, tmp_path):
    remedy.weights.value = tmp_path / "missing.pt"
    remedy.build_button.click()
    qtbot.waitUntil(lambda: bool(errors()), timeout=WAIT)
    assert errors() == [f"There is no CLIP weights file {tmp_path / 'missing.pt'}."]
    assert remedy.build_button.isEnabled()
