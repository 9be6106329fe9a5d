"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, save_model
from napari_clip_denoise.network.denoiser import Denoiser
from tiny_network import TINY, TOLD

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("long", max_examples=10_000, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Compute with one thread, whatever a library has set: the last bits depend on it."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def models_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Keep the tests away from the user's own models."""
    folder = tmp_path_factory.mktemp("models")
    monkeypatch.setenv("CLIP_DENOISE_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a small model with random weights whose output differs clearly from its input."""
    torch.manual_seed(1)
    denoiser = Denoiser(TINY).eval()
    card = ModelCard(
        name="tiny", network=TINY, encoder=EncoderCard(source="random weights"), halo=96
    )
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    save_model(Model(card, denoiser), path)
    return path


@pytest.fixture(scope="session")
def told() -> Model:
    """Small model with random weights that is told the noise level."""
    torch.manual_seed(2)
    denoiser = Denoiser(TOLD).eval().requires_grad_(False)
    for module in denoiser.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    card = ModelCard(
        name="told", network=TOLD, encoder=EncoderCard(source="random weights"), halo=96
    )
    return Model(card, denoiser)


@pytest.fixture(scope="session")
def tiny(tiny_file: Path) -> Model:
    """The model of `tiny_file`."""
    from napari_clip_denoise import load

    return load(tiny_file)
