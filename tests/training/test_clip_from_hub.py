"""From the hub to the zoo: a model built on CLIP's encoder goes every way that others go.

CLIP is as narrow here as the server has it; everything else is what a user runs.
"""

from functools import partial

import numpy as np
import pytest
import torch
from bioimageio import core
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from hub_server import FILE, Hub
from napari_clip_denoise import denoise, export_model, feature_similarity, fine_tune, load
from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models import clip_source
from napari_clip_denoise.models.clip_cache import is_at_hand
from napari_clip_denoise.models.clip_source import ClipSource
from napari_clip_denoise.models.library import install
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.data.settings import Simulation
from napari_clip_denoise.training.pretrain import build, fit
from napari_clip_denoise.training.pretrain.encoders import (
    load_encoder,
    random_encoder,
    with_encoder,
)
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import load_recipe

SHAPES = {"RN50": EncoderConfig((1, 1, 1), 8), "RN101": EncoderConfig((1, 1, 2), 16)}
RN101 = "open_clip:RN101:openai"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server that has two CLIPs with narrow encoders, in half precision."""
    served = Hub({})
    for seed, (name, shape) in enumerate(SHAPES.items()):
        repository = clip_source.ARCHITECTURES[name][0]
        monkeypatch.setitem(clip_source.ARCHITECTURES, name, (repository, shape))
        state = random_encoder(shape, seed).state_dict()
        save_file(
            {f"visual.{k}": v.half() if v.is_floating_point() else v for k, v in state.items()},
            tmp_path / "clip.safetensors",
        )
        address = FILE.replace("resnet50", repository)
        served.files[address] = (tmp_path / "clip.safetensors").read_bytes()
    served.point_to(monkeypatch, tmp_path / "hub")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield served
    served.stop()


@pytest.fixture
def picture():
    """A noisy RGB picture and the clean one, in 8 bits."""
    planes = [fluorescence((160, 176), seed=seed).clip(0, 1) for seed in range(3)]
    clean = 255 * np.stack(planes, axis=-1)
    noisy = clean + 25 * np.random.default_rng(0).standard_normal(clean.shape)
    return (np.rint(image.clip(0, 255)).astype(np.uint8) for image in (noisy, clean))


def test_build_denoise_fine_tune_and_export(hub, picture, tmp_path):
    noisy, clean = picture
    recipe = load_recipe("clip-rn50")
    optimisation = recipe.optimisation.model_copy(
        update={"batch": 2, "crop": 32, "warm_up": 1, "learning_rate": 2e-3}
    )
    recipe = recipe.model_copy(
        update={
            "network": DenoiserConfig(SHAPES["RN50"], 3, (64, 32, 16, 8, 8), False, True),
            "simulation": Simulation(weight=0.5, planes=2),
            "optimisation": optimisation,
        }
    )
    seconds = build._seconds_a_step(recipe, random_encoder(SHAPES["RN50"], 0), "cpu")
    path = build.build_clip(minutes=seconds * 120 / 60, recipe=recipe)
    assert hub.gets() == [0]
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys())
    assert all(not n.startswith("encoder.") or "running" in n for n in names)
    built = load("clip-rn50")
    assert built.card.encoder.weights == "open_clip:RN50:openai"

    denoised = denoise(noisy, "clip-rn50", rgb=True, device="cpu")
    before, after = (np.square(image - clean.astype(float)).mean() for image in (noisy, denoised))
    assert after < before

    tuned = fine_tune(noisy, clean=clean, model="clip-rn50", axes="yxs", steps=4, batch=2, patch=32,
                      validate_every=2, held_out=4, device="cpu", name="mine").model  # fmt: skip
    assert install(tuned).stat().st_size < 1.2 * path.stat().st_size + 300_000
    mine = load("mine")
    assert mine.card.parent_sha256 == built.sha256
    assert mine.card.encoder == built.card.encoder
    assert hub.gets() == [0]

    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(export_model("mine", tmp_path / "mine.onnx"))
    batch = np.random.default_rng(1).random((1, 3, 64, 96), np.float32)
    (result,) = session.run(None, {"noisy": batch})
    expected = mine.denoiser(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(result, expected, atol=1e-4)
    package = export_model("mine", tmp_path / "mine.zip", authors=["Ada"])
    assert core.test_model(package).status == "passed"


@pytest.fixture
def data(tmp_path):
    """A folder with two RGB pictures."""
    (tmp_path / "data").mkdir()
    for seed in range(2):
        planes = [fluorescence((48, 64), seed=3 * seed + i).clip(0, 1) for i in range(3)]
        pixels = (255 * np.stack(planes, axis=-1)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{seed}.png")
    return tmp_path / "data"


def test_a_decoder_is_trained_on_another_clip(hub, data, tmp_path):
    recipe = with_encoder(load_recipe("paper-gaussian15"), RN101)
    assert recipe.network.encoder == SHAPES["RN101"]
    assert recipe.network.decoder_channels == (128, 64, 32, 16, 16)
    recipe = recipe.smoke()
    source = partial(load_encoder, RN101, recipe.network.encoder)
    denoiser = fit.train(recipe, data, tmp_path / "run", encoder=source)
    model = write_model(recipe, denoiser, tmp_path / "other.safetensors")
    assert model.card.encoder.source == "CLIP RN101 of OpenAI, through open_clip"
    assert model.card.encoder.statistics
    again = load(tmp_path / "other.safetensors")
    assert again.sha256 == model.sha256
    plain = source()
    assert torch.equal(again.denoiser.encoder.conv1.weight, plain.conv1.weight)
    assert not torch.equal(again.denoiser.encoder.bn1.running_mean, plain.bn1.running_mean)
    assert is_at_hand(ClipSource("RN101"))
    assert not is_at_hand()
    wrong = tmp_path / "rn50.safetensors"
    wrong.write_bytes(hub.files[FILE])
    with pytest.raises(ModelError, match="does not hold the weights of CLIP RN101"):
        load(tmp_path / "other.safetensors", clip_weights=wrong)


def test_the_features_of_another_clip_are_measured(hub, data):
    found = feature_similarity([RN101, "random"], data, noises=["gaussian-25"])
    assert [one.encoder for one in found] == [RN101, "random"]
    assert found[0].cosine != found[1].cosine
    assert found[0].readout[0] == found[1].readout[0]
