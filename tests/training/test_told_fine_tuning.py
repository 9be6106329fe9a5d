"""Fine-tuning of a network that is told the noise level."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_clip_denoise import denoise, fine_tune
from napari_clip_denoise.images.intensity import ChannelMapping, IntensityMapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, save_model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.noise.estimate import NoiseVariance
from napari_clip_denoise.training.data.patch_pool import Patches, PatchPool
from napari_clip_denoise.training.data.patches import PatchSource, mapped_source
from napari_clip_denoise.training.finetune.objectives.neighbor2neighbor import Neighbor2Neighbor
from napari_clip_denoise.training.finetune.validation import Validator
from tiny_network import TOLD

FAST = {
    "steps": 60, "batch": 4, "patch": 32, "validate_every": 20, "held_out": 8,
    "learning_rate": 3e-3, "device": "cpu", "name": "mine",
}  # fmt: skip
SIGMA = 60
RANGE = (0.0, 1000.0)


@pytest.fixture(scope="module")
def clean():
    waves = gaussian_filter(np.random.default_rng(0).random((2, 160, 160)), (0, 12, 12))
    waves = (waves - waves.min()) / np.ptp(waves)
    return (200 + 400 * waves).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(clean):
    return (clean + np.random.default_rng(1).normal(0, SIGMA, clean.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    torch.manual_seed(0)
    denoiser = Denoiser(TOLD).requires_grad_(False).eval()
    card = ModelCard(name="told", network=TOLD, encoder=EncoderCard(source="nowhere"))
    path = tmp_path_factory.mktemp("models") / "told.safetensors"
    save_model(Model(card, denoiser), path)
    return str(path)


@pytest.mark.parametrize(
    ("objective", "sources"),
    [
        ("supervised", ("noisy", "clean")),
        ("noise2noise", ("noisy", "repeats")),
        ("synthetic", ("noisy", "clean")),
        ("noise2void", ("noisy",)),
        ("neighbor2neighbor", ("noisy",)),
        ("refinement", ("noisy",)),
    ],
)
def test_each_objective_tells_the_level_that_a_run_tells(
    told, noisy, clean, objective, sources, monkeypatch
):
    levels, forward = [], Denoiser.forward

    def note(self, image, level=None):
        levels.append(level)
        return forward(self, image, level)

    monkeypatch.setattr(Denoiser, "forward", note)
    repeats = (clean + np.random.default_rng(2).normal(0, SIGMA, clean.shape)).astype(np.float32)
    images = {"noisy": noisy, "clean": clean, "repeats": repeats}
    result = fine_tune(
        **{name: images[name] for name in sources},
        **FAST | {"steps": 3, "validate_every": 3},
        model=told,
        objective=objective,
        intensity=RANGE,
    )
    assert result.steps == 3
    assert len(levels) > 3
    seen = torch.cat([level.flatten() for level in levels])
    assert seen.isfinite().all()
    assert seen.median().item() == pytest.approx(SIGMA / RANGE[1], rel=0.1)


def test_fine_tuning_makes_it_better(told, noisy, clean):
    result = fine_tune(noisy, clean=clean, model=told, **FAST, intensity=RANGE)
    assert result.improved
    assert result.model.card.network.noise_level

    def error(model):
        return np.square(denoise(noisy, model, intensity=RANGE, device="cpu") - clean).mean()

    assert error(result.model) < error(told)


def test_the_level_of_a_patch_goes_with_its_values_and_its_place(clean):
    rng = np.random.default_rng(0)
    counts = rng.poisson(clean[0]).astype(np.float32)
    source = mapped_source(as_stack(counts, "yx"), RANGE, "auto")
    window = (slice(8, 72), slice(16, 80))
    level = source.read_told(0, window, 1, rng)[2]
    assert level.shape == (1, 64, 64)
    expected = np.sqrt(clean[0][window]) / RANGE[1]
    assert np.median(level[0] / expected) == pytest.approx(1, abs=0.1)
    bright = expected > np.quantile(expected, 0.9)
    assert level[0][bright].mean() > 1.1 * level[0][~bright].mean()
    pool = PatchPool([source], 32, 1, seed=0, told=True)
    patches, _ = pool.batch(0, range(8), allow_rot90=True)
    assert patches.level.shape == (8, 1, 32, 32)
    near = gaussian_filter(patches.first[:, 0], (0, 2, 2))
    assert np.corrcoef(near.ravel(), patches.level[:, 0].ravel())[0, 1] > 0.9


def test_blind_networks_are_told_nothing(noisy):
    source = mapped_source(as_stack(noisy, "zyx"), RANGE)
    assert np.isnan(
        source.read_told(0, (slice(32), slice(32)), 1, np.random.default_rng(0))[2]
    ).all()
    assert PatchPool([source], 32, 1, seed=0).held_out(3)[0].level is None


def test_colours_share_the_root_of_their_mean_variance():
    colours = np.full((64, 64, 3), (100, 400, 900), np.float32)
    mapping = ChannelMapping(*RANGE, noise=NoiseVariance(1, 0))
    source = PatchSource(as_stack(colours, "yxs"), IntensityMapping((mapping,)))
    window, rng = (slice(32), slice(32)), np.random.default_rng(0)
    together = source.read_told(0, window, 3, rng)[2]
    assert together.shape == (1, 32, 32)
    np.testing.assert_allclose(together, np.sqrt(1400 / 3) / 1000, rtol=1e-4)
    alone = {source.read_told(0, window, 1, rng)[2].max().round(4).item() for _ in range(30)}
    assert sorted(alone) == pytest.approx([0.01, 0.02, 0.03], abs=1e-4)


def test_neighbours_are_told_the_level_of_the_pixel_that_they_are():
    values = np.arange(2 * 16 * 16, dtype=np.float32).reshape(2, 1, 16, 16)
    told = []

    def network(noisy, level):
        told.append((noisy, level))
        return noisy

    objective = Neighbor2Neighbor()
    example = objective.example(Patches(values, values, 2 * values), np.random.default_rng(0))
    objective.loss(network, example)
    assert [noisy.shape[-1] for noisy, _ in told] == [8, 16]
    for noisy, level in told:
        torch.testing.assert_close(level, 2 * noisy)


def test_validation_tells_each_patch_its_level():
    noisy = torch.rand(5, 1, 8, 8)
    level = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 1, 8, 8)
    validator = Validator(noisy, noisy, "nothing", level)
    errors = validator(lambda images, told: images + told, 2)
    torch.testing.assert_close(errors, torch.arange(5.0).square())
    torch.testing.assert_close(validator.untouched(), torch.zeros(5))
