"""The paper's recipes: its hyper-parameters, short runs, and resuming them exactly."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from interrupted import train_until
from napari_clip_denoise import load
from napari_clip_denoise.errors import InputError, ModelError
from napari_clip_denoise.models import clip_encoder
from napari_clip_denoise.models.checkpoint import Model, save_model
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.data.settings import Noise
from napari_clip_denoise.training.optim import learning_rate
from napari_clip_denoise.training.optimisation import Optimisation
from napari_clip_denoise.training.pretrain import fit
from napari_clip_denoise.training.pretrain.encoders import (
    load_encoder,
    random_encoder,
    with_encoder,
)
from napari_clip_denoise.training.pretrain.log import TrainingLog, read_log
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe

PAPER = ["paper-gaussian15", "paper-srgb-poisson-gaussian", "paper-ldct-gaussian5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder a recipe, with images of its kind."""
    folder = tmp_path_factory.mktemp("data")
    for name in PAPER:
        (folder / name).mkdir()
    for seed in range(3):
        planes = np.stack([fluorescence((48, 60), seed=seed + 5 * i) for i in range(3)], -1)
        pixels = (255 * planes.clip(0, 1)).astype(np.uint8)
        for name in PAPER[:2]:
            Image.fromarray(pixels).save(folder / name / f"{seed}.png")
        hounsfield = (planes[..., 0] * 1000 - 500).astype(np.int16)
        np.save(folder / PAPER[2] / f"{seed}.npy", hounsfield)
    return folder


def small(name):
    """A recipe's smoke variant on a narrow random encoder."""
    recipe = with_encoder(load_recipe(name), "random").smoke()
    network = recipe.network.__class__(
        EncoderConfig((1, 1, 1), 8), recipe.network.channels, (64, 32, 16, 8, 8)
    )
    return recipe.model_copy(update={"network": network})


def encoder_of(recipe):
    return partial(load_encoder, recipe.encoder, recipe.network.encoder, seed=recipe.seed)


@pytest.mark.parametrize("name", PAPER)
def test_recipes_hold_what_the_paper_says(name):
    recipe = load_recipe(name)
    o = recipe.optimisation
    assert (o.batch, o.crop, o.learning_rate, o.weight_decay) == (16, 128, 3e-4, 1e-4)
    assert (o.optimiser, o.loss, o.mixup, o.gradient_clip) == ("adamw", "l1", 1.2, 0.01)
    assert (o.train_encoder, o.warm_up, o.average_decay) == (False, 0, 0)
    assert recipe.encoder == "clip-rn50"
    assert recipe.network == recipe.network.__class__(channels=recipe.network.channels)
    assert (recipe.batch_norm, recipe.decoder_init) == ("adapt", "torch")
    assert all(group.pad for group in recipe.groups)
    assert recipe.intensity == ("window" if recipe.network.channels == 1 else "dtype")
    rates = [learning_rate(step, o) for step in (0, 20_000, 39_999)]
    if name == "paper-ldct-gaussian5":
        assert o.steps == 40_000
        assert recipe.groups[0].values == (-1024, 3072)
        assert recipe.noise.sigma == (5 / 255, 5 / 255)
        assert rates == pytest.approx([3e-4, 1.505e-4, 1e-6], rel=1e-3)
    else:
        assert o.steps == 300_000
        assert rates == [3e-4] * 3
        late = [learning_rate(step, o) for step in (91_999, 92_000, 196_000, 299_999)]
        assert late == pytest.approx([3e-4, 3e-4, 1.505e-4, 1e-6], rel=1e-3)
    if name == "paper-gaussian15":
        assert recipe.noise.sigma == (15 / 255, 15 / 255)
    if name == "paper-srgb-poisson-gaussian":
        assert (recipe.noise.camera_as_published, recipe.noise.quantised) == (True, 1)


@pytest.mark.parametrize("name", PAPER)
def test_a_smoke_run_trains_the_decoder_alone_and_gives_a_model(name, data, tmp_path):
    recipe = small(name)
    denoiser = fit.train(recipe, data / name, tmp_path / "run", encoder=encoder_of(recipe))
    encoder = encoder_of(recipe)()
    for key, value in encoder.named_parameters():
        assert torch.equal(denoiser.encoder.get_parameter(key), value), key
    for key, value in encoder.named_buffers():
        if value.is_floating_point():
            assert not torch.equal(denoiser.encoder.get_buffer(key), value), key
    assert not any(module.training for module in denoiser.modules())
    torch.manual_seed(recipe.seed)
    start = fit.Denoiser(recipe.network)
    assert not torch.equal(denoiser.decoder.last.weight, start.decoder.last.weight)
    model = write_model(recipe, denoiser, tmp_path / "m.safetensors")
    assert (model.card.clamp, model.card.pad_multiple) == (True, 32)
    assert model.card.encoder.source == "random, frozen"
    rows = read_log(tmp_path / "run" / fit.LOG)
    assert [row["step"] for row in rows] == [2, 4]


@pytest.mark.parametrize("name", PAPER)
def test_a_resumed_run_ends_with_the_same_weights(name, data, tmp_path):
    recipe = small(name)
    whole = fit.train(recipe, data / name, tmp_path / "whole", encoder=encoder_of(recipe))
    train_until(3, recipe, data / name, tmp_path / "parts", encoder=encoder_of(recipe))
    with (tmp_path / "parts" / fit.LOG).open("a") as log:
        log.write("3,1,1,1,\n")

    def never():
        raise AssertionError("a training that goes on has its encoder already")

    resumed = fit.train(recipe, data / name, tmp_path / "parts", encoder=never, resume=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key
    rows = [read_log(tmp_path / run / fit.LOG) for run in ("whole", "parts")]
    assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]


def test_the_full_network_takes_a_step(data, tmp_path):
    recipe = with_encoder(load_recipe(PAPER[0]), "random").smoke()
    optimisation = recipe.optimisation.model_copy(update={"steps": 1, "periods": (1, 0)})
    recipe = recipe.model_copy(update={"optimisation": optimisation})
    denoiser = fit.train(recipe, data / PAPER[0], tmp_path / "run", encoder=encoder_of(recipe))
    assert sum(p.numel() for p in denoiser.decoder.parameters()) == pytest.approx(10.99e6, rel=0.01)


def test_a_decoder_on_clip_is_stored_without_the_encoder(tmp_path, monkeypatch):
    clip = random_encoder(EncoderConfig(), 3)
    monkeypatch.setattr(clip_encoder, "load_clip_encoder", lambda *_, **__: clip)
    recipe = load_recipe(PAPER[2])
    denoiser = fit.Denoiser(recipe.network).eval()
    denoiser.encoder.load_state_dict(clip.state_dict())
    model = write_model(recipe, denoiser, tmp_path / "ct.safetensors")
    assert (tmp_path / "ct.safetensors").stat().st_size < 23e6
    assert load(tmp_path / "ct.safetensors").sha256 == model.sha256
    other = random_encoder(EncoderConfig(), 4)
    monkeypatch.setattr(clip_encoder, "load_clip_encoder", lambda *_, **__: other)
    with pytest.raises(ModelError, match="does not match"):
        load(tmp_path / "ct.safetensors")


def test_the_data_is_looked_at_before_the_encoder_is_fetched(data, tmp_path):
    def never():
        raise AssertionError("fetched")

    with pytest.raises(InputError, match="needs RGB images"):
        fit.train(small(PAPER[0]), data / PAPER[2], tmp_path / "a", encoder=never)
    with pytest.raises(InputError, match="needs grey images"):
        fit.train(small(PAPER[2]), data / PAPER[0], tmp_path / "b", encoder=never)
    with pytest.raises(InputError, match="No image of at least 32"):
        fit.train(small(PAPER[0]), tmp_path, tmp_path / "c", encoder=never)


def test_images_smaller_than_a_patch_are_mirrored(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 33, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    (plane,) = fit.training_patches(small(PAPER[0]), tmp_path).pools[0]
    assert plane.pixels.shape == (32, 33, 3)
    np.testing.assert_array_equal(plane.pixels[:20], pixels)
    np.testing.assert_array_equal(plane.pixels[20:], pixels[:7:-1])


def test_the_decoder_starts_as_that_of_the_authors(data, tmp_path):
    noisy = torch.rand(2, 3, 64, 64)
    deviations = {}
    for init in ("torch", "he", "identity"):
        recipe = small(PAPER[0]).model_copy(update={"decoder_init": init})
        optimisation = recipe.optimisation.model_copy(
            update={"learning_rate": 0.0, "minima": (0, 0)}
        )
        recipe = recipe.model_copy(update={"optimisation": optimisation})
        denoiser = fit.train(recipe, data / PAPER[0], tmp_path / init, encoder=encoder_of(recipe))
        deviations[init] = denoiser(noisy).std().item()
        for conv in denoiser.decoder.modules():
            if isinstance(conv, torch.nn.Conv2d) and init == "torch":
                bound = (conv.in_channels * 9) ** -0.5
                assert 0.9 * bound < conv.weight.abs().max() <= bound
    assert deviations["identity"] == 0
    assert 0 < deviations["torch"] < 0.3 * deviations["he"]


@pytest.mark.parametrize("mode", ["openai", "adapt", "calibrate"])
def test_statistics_are_those_of_the_source_or_of_the_images(mode, data, tmp_path):
    recipe = small(PAPER[0]).model_copy(update={"batch_norm": mode})
    encoder = encoder_of(recipe)()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    denoiser = fit.train(recipe, data / PAPER[0], tmp_path, encoder=lambda: encoder)
    noisy, _, _ = fit.training_patches(recipe, data / PAPER[0]).batch(9)
    found = denoiser.encoder.bn1.running_mean
    measured = encoder.conv1(torch.from_numpy(noisy)).mean(dim=(0, 2, 3))
    distance = (found - measured).abs().mean() / (
        before["bn1.running_mean"] - measured
    ).abs().mean()
    assert {"openai": distance == 1, "adapt": distance < 0.9, "calibrate": distance < 0.5}[mode]


def test_the_encoder_of_a_model_keeps_its_statistics():
    paper = load_recipe(PAPER[0])
    assert with_encoder(paper, "compact").batch_norm == "openai"
    assert with_encoder(paper, "random").batch_norm == "adapt"
    network = paper.model_dump()["network"] | {"encoder": {"shifts": False}}
    with pytest.raises(ValidationError, match="no statistics that adapt"):
        Recipe.model_validate(paper.model_dump() | {"network": network})


def test_patches_are_turned_and_nothing_else(data):
    noisy, _, clean = fit.training_patches(small(PAPER[2]), data / PAPER[2]).batch(0)
    assert clean.shape == (2, 1, 32, 32)
    assert (noisy - clean).std() == pytest.approx(5 / 255, rel=0.1)
    assert 0.1 < clean.mean() < 0.4
    camera = fit.training_patches(small(PAPER[1]), data / PAPER[1]).batch(0)[0]
    assert camera.min() >= 0
    assert camera.max() <= 1


def test_an_encoder_brings_its_shape_and_the_decoder_follows(tiny, tmp_path):
    recipe = with_encoder(load_recipe(PAPER[0]), "compact")
    compact = load("compact")
    assert recipe.network.encoder == compact.card.network.encoder
    assert recipe.network.decoder_channels == (192, 96, 48, 24, 24)
    encoder = encoder_of(recipe)()
    for key, value in compact.denoiser.encoder.state_dict().items():
        assert torch.equal(encoder.state_dict()[key], value)
    save_model(Model(tiny.card, tiny.denoiser), tmp_path / "own.safetensors")
    own = with_encoder(load_recipe(PAPER[0]), str(tmp_path / "own.safetensors"))
    assert own.network.decoder_channels == (64, 32, 16, 8, 8)
    with pytest.raises(ModelError, match="no model 'nonsense'"):
        with_encoder(recipe, "nonsense")


def test_random_encoders_are_seeded_and_use_all_their_blocks():
    shape = EncoderConfig((1, 1, 1), 8)
    first, again, other = (random_encoder(shape, seed) for seed in (0, 0, 1))
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
    assert all(stage[-1].bn3.weight.any() for stage in first.stages)


def test_a_score_is_kept_beside_the_loss(data, tmp_path):
    recipe = small(PAPER[2])
    entries = []
    fit.train(
        recipe,
        data / PAPER[2],
        tmp_path / "run",
        check=lambda denoiser: float(denoiser.training) + 30,
        on_progress=entries.append,
    )
    assert [entry["score"] for entry in entries] == [30, 30]
    assert [row["score"] for row in read_log(tmp_path / "run" / fit.LOG)] == [30, 30]


def test_a_log_drops_what_a_resumed_run_repeats(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    for step in (100, 200, 300):
        log.add({"step": step, "loss": 1.0, "learning_rate": 0.1, "seconds": 2.0})
    TrainingLog(tmp_path / "log.csv", first=200).add({"step": 300, "loss": 0.5})
    assert [(r["step"], r["loss"]) for r in read_log(tmp_path / "log.csv")] == [
        (100, 1.0), (200, 1.0), (300, 0.5),
    ]  # fmt: skip


def test_recipes_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="periods add up"):
        Optimisation(schedule="restarts", steps=10, periods=(4, 5), minima=(0, 0))
    grey = load_recipe(PAPER[2]).model_dump()
    with pytest.raises(ValidationError, match="three channels"):
        Recipe.model_validate(grey | {"noise": {"camera": 1}})
    with pytest.raises(ValidationError, match="groups of images"):
        Recipe.model_validate(grey | {"groups": ()})
    with pytest.raises(ValidationError, match="not trained"):
        Recipe.model_validate(grey | {"optimisation": {}})


def test_noise_is_described_for_the_card():
    assert Noise(sigma=(0.1, 0.1)).describe() == "Gaussian, sigma 0.1 of the range"
    text = Noise(gaussian=0, poisson_gaussian=1, stripes=0.1).describe()
    assert text == "Poisson-Gaussian from 2 to 1000 photons; stripes"
