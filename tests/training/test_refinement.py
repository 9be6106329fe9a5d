import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise import denoise, fine_tune
from napari_clip_denoise.errors import Cancelled, InputError
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.training.data import refinement as refined
from napari_clip_denoise.training.data.patches import mapped_source
from napari_clip_denoise.training.data.refinement import cameras, excerpts
from napari_clip_denoise.training.finetune.loop import AsInUse
from napari_clip_denoise.training.finetune.progress import Control
from napari_clip_denoise.training.finetune.settings import make_fine_tune_settings

NOISE = CameraNoise(gain=2.0, offset=100.0, read_noise=3.0)
RANGE = (0.0, 1000.0)


def image(shape, seed=0):
    rng = np.random.default_rng(seed)
    light = 100 + 800 * gaussian_filter(rng.random(shape), (0,) * (len(shape) - 2) + (4, 4))
    return NOISE(light, rng)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(refined, "LARGEST_SIDE", 32)
    monkeypatch.setattr(refined, "REFINED_PIXELS", 8 * 32**2)


def test_pieces_are_taken_evenly_and_bounded(small_pieces):
    plane = np.add.outer(1000.0 * np.arange(70), np.arange(100.0))
    stack = as_stack(np.stack([plane + 1e6 * z for z in range(5)]), "zyx")
    (excerpt,) = excerpts([mapped_source(stack, RANGE)])
    pieces = np.asarray(excerpt.stack.array)
    assert pieces.shape == (8, 32, 32)
    assert len({piece[0, 0] for piece in pieces}) == 8
    assert {piece[0, 0] // 1e6 for piece in pieces} == {0, 1, 2, 3, 4}
    for piece in pieces:
        np.testing.assert_array_equal(piece - piece[0, 0], plane[:32, :32])


def test_channels_and_stacks_share_the_room(small_pieces):
    stacks = [as_stack(image((2, 3, 40, 40), seed), "czyx") for seed in range(2)]
    taken = excerpts([mapped_source(stack, "percentile") for stack in stacks])
    assert [excerpt.stack.shape for excerpt in taken] == [(2, 32, 32)] * 4
    assert len({excerpt.mapping for excerpt in taken}) == 4
    many = excerpts(
        [mapped_source(as_stack(image((40, 40), seed), "yx"), RANGE) for seed in range(30)]
    )
    assert [excerpt.stack.shape for excerpt in many] == [(1, 32, 32)] * 8


@pytest.mark.parametrize("axes", ["zyx", "zyxs"])
def test_what_is_learned_from_is_what_a_run_gives(tiny, axes):
    values = image((2, 40, 60, 3)[: len(axes)])
    (excerpt,) = excerpts([mapped_source(as_stack(values, axes), RANGE)])
    field = excerpt.refined(AsInUse(tiny.denoiser), NOISE, 1)
    expected = denoise(values, tiny, axes=axes, intensity=RANGE, device="cpu", self_ensemble=True)
    np.testing.assert_allclose(field.other.array, expected, rtol=1e-4, atol=1e-2)
    assert np.abs(expected - values).max() > 10


def test_noise_is_put_on_each_time(tiny):
    (excerpt,) = excerpts([mapped_source(as_stack(image((128, 128)), "yx"), RANGE)])
    field = excerpt.refined(lambda batch: batch, NOISE, 1)
    rng = np.random.default_rng(0)
    window = (slice(0, 96), slice(0, 96))
    one, again = (field.read(0, window, 1, rng) for _ in range(2))
    np.testing.assert_allclose(one[1], excerpt.source.read(0, window, 1, rng)[0], atol=1e-6)
    np.testing.assert_array_equal(one[1], again[1])
    added, other = ((side[0] - side[1]) * RANGE[1] for side in (one, again))
    expected = NOISE.variance(one[1] * RANGE[1]).mean()
    assert added.var() == pytest.approx(expected, rel=0.1)
    assert abs(np.corrcoef(added.ravel(), other.ravel())[0, 1]) < 0.1


def test_a_missing_pixel_stays_one(tiny):
    values = image((48, 48))
    values[20, 30] = np.nan
    (excerpt,) = excerpts([mapped_source(as_stack(values, "yx"), RANGE)])
    clean = np.asarray(excerpt.refined(AsInUse(tiny.denoiser), NOISE, 1).other.array)[0]
    np.testing.assert_array_equal(np.isnan(clean), np.isnan(values))


def test_noise_is_measured_where_it_is_and_else_over_all():
    plain = np.full((2, 64, 64), 500.0, np.float32)
    plain[0, 0, 0] = 501
    stacks = [as_stack(image((256, 256)), "yx"), as_stack(plain, "zyx")]
    fields = [mapped_source(stack, RANGE) for stack in stacks]
    found = cameras(excerpts(fields), "anscombe")
    values = np.array([480.0, 520.0])
    for noise in found:
        np.testing.assert_allclose(noise.variance(values), NOISE.variance(values), rtol=0.3)


def test_it_needs_a_model_that_denoises(monkeypatch, models_folder):
    from napari_clip_denoise.training.finetune import api as finetune

    model = finetune.starting_model(make_fine_tune_settings())[0]
    monkeypatch.setattr(finetune, "starting_model", lambda *_: (model, False))
    with pytest.raises(InputError, match="refinement needs a model that can denoise already"):
        fine_tune(image((128, 128)), objective="refinement", device="cpu", steps=1)


def test_cancel_acts_before_the_first_step(tiny_file, monkeypatch):
    control = Control()
    calls = []

    def cancelling(network, batch, level):
        calls.append(batch.shape)
        control.cancel()
        return network(batch)

    monkeypatch.setattr(refined, "self_ensemble", cancelling)
    with pytest.raises(Cancelled):
        fine_tune(
            image((4, 128, 128)), model=str(tiny_file), objective="refinement", device="cpu",
            steps=1, patch=64, control=control,
        )  # fmt: skip
    assert len(calls) == 1


def test_it_learns_to_remove_what_was_put_on(tiny_file, models_folder):
    losses = []
    result = fine_tune(
        image((2, 160, 160)), model=str(tiny_file), objective="refinement", device="cpu",
        steps=40, batch=4, patch=32, held_out=8, learning_rate=3e-3,
        on_progress=lambda learning: losses.append(learning.loss),
    )  # fmt: skip
    assert result.reason.startswith("refinement: as asked; the noise of neighbouring pixels")
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert "gain" in result.model.card.noise
