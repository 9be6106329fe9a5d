import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from scipy.ndimage import gaussian_filter

from napari_clip_denoise import denoise, fine_tune, install, load
from napari_clip_denoise.errors import Cancelled, InputError, OutputError
from napari_clip_denoise.models import clip_encoder as clip
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, save_model, tensors_sha256
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.finetune import loop as finetune_loop
from napari_clip_denoise.training.finetune import start as finetune_start
from napari_clip_denoise.training.finetune.progress import Control, decibels
from napari_clip_denoise.training.finetune.settings import make_fine_tune_settings
from napari_clip_denoise.training.finetune.validation import Validator
from tiny_network import TINY

FAST = {
    "steps": 12,
    "batch": 4,
    "patch": 32,
    "validate_every": 4,
    "held_out": 8,
    "learning_rate": 3e-3,
    "device": "cpu",
    "name": "mine",
}


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(0)
    seeds = (rng.random((2, 160, 160)) > 0.98) * 30.0
    seeds[:, :, 80:] = 0
    spots = gaussian_filter(seeds, (0, 2, 2))
    return (200 + 400 * spots).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(clean):
    return (clean + np.random.default_rng(1).normal(0, 60, clean.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def repeats(clean):
    return (clean + np.random.default_rng(2).normal(0, 60, clean.shape)).astype(np.float32)


@pytest.fixture
def model(tiny_file, models_folder):
    """The small random model, known by its name."""
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    return "tiny"


def encoder_sha256(model):
    return tensors_sha256(
        model.denoiser.encoder.state_dict() | model.denoiser.first.state_dict(prefix="first.")
    )


SOURCES = {
    "supervised": ("noisy", "clean"),
    "noise2noise": ("noisy", "repeats"),
    "noise2void": ("noisy",),
    "neighbor2neighbor": ("noisy",),
    "synthetic": ("noisy", "clean"),
}


@pytest.mark.parametrize("objective", SOURCES)
def test_each_objective_makes_a_random_decoder_better(request, model, clean, objective):
    sources = {name: request.getfixturevalue(name) for name in SOURCES[objective]}
    reports = []
    result = fine_tune(
        **sources,
        **FAST | {"steps": 60, "validate_every": 20},
        model=model,
        objective=objective,
        on_progress=reports.append,
    )
    assert result.improved
    assert result.best > result.start
    assert result.reason.startswith(objective)
    assert [r.step for r in reports] == list(range(1, 61))
    assert [r.step for r in reports if r.score is not None] == [20, 40, 60]
    assert reports[-1].fraction == 1
    assert reports[19].picture.now.shape == (32, 32)
    assert not np.array_equal(reports[19].picture.now, reports[19].picture.before)
    start = load(model)
    assert encoder_sha256(result.model) == encoder_sha256(start)
    assert result.model.sha256 != start.sha256

    def error(which):
        return np.square(denoise(sources["noisy"], which, device="cpu") - clean).mean()

    assert error(result.model) < error(start)


def test_the_saved_model_is_known_by_its_name_and_tells_where_it_is_from(model, noisy):
    result = fine_tune(noisy, model=model, objective="neighbor2neighbor", **FAST)
    path = install(result.model)
    found = load("mine")
    assert found.path == path
    np.testing.assert_array_equal(
        denoise(noisy, "mine", device="cpu"), denoise(noisy, result.model, device="cpu")
    )
    card = found.card
    assert card.parent_sha256 == load(model).sha256
    assert "2 planes of 160 x 160" in card.data
    assert "white" in card.noise or "correlated" in card.noise
    assert card.recipe["fine_tuning"]["steps"] == 12
    assert card.recipe["objective"].startswith("neighbor2neighbor")
    assert len(card.scores) == 2
    assert found.denoiser.first.weight.equal(load(model).denoiser.first.weight)
    with pytest.raises(InputError, match="already a model 'mine'"):
        install(result.model)


def test_the_encoder_and_what_feeds_it_make_no_graph(tiny):
    features = tiny.denoiser.features(torch.rand(1, 1, 32, 32))
    assert not any(feature.requires_grad for feature in features)


def test_the_same_seed_gives_the_same_model(model, noisy):
    first, again, other = (
        fine_tune(noisy, model=model, objective="noise2void", seed=seed, **FAST)
        for seed in (1, 1, 2)
    )
    assert first.model.sha256 == again.model.sha256 != other.model.sha256


def test_a_killed_training_goes_on_where_it_was(model, noisy, tmp_path):
    class Killed(BaseException):
        pass

    def kill(learning):
        seen.append(learning.step)
        if learning.step == 10:
            raise Killed

    arguments = {"model": model, "objective": "neighbor2neighbor", **FAST}
    whole = fine_tune(noisy, **arguments)
    seen = []
    with pytest.raises(Killed):
        fine_tune(noisy, **arguments, run=tmp_path / "run", on_progress=kill)
    with pytest.raises(InputError, match="other settings or images"):
        fine_tune(noisy, **arguments | {"seed": 5}, run=tmp_path / "run")
    resumed = fine_tune(
        noisy, **arguments, run=tmp_path / "run", on_progress=lambda r: seen.append(r.step)
    )
    assert seen == [*range(1, 11), *range(9, 13)]
    assert resumed.model.sha256 == whole.model.sha256
    assert not (tmp_path / "run").exists()


DYING = """
import os, signal, sys
from napari_clip_denoise import fine_tune
from test_finetune import FAST

def die(learning):
    if learning.step == 10:
        os.kill(os.getpid(), signal.SIGKILL)

fine_tune(sys.argv[1], model="tiny", run=sys.argv[2], on_progress=die, **FAST)
"""


def test_a_process_that_was_killed_leaves_a_state_to_go_on_from(model, noisy, tmp_path):
    np.save(tmp_path / "noisy.npy", noisy)
    command = [sys.executable, "-c", DYING, tmp_path / "noisy.npy", tmp_path / "run"]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([paths, *filter(None, sys.path)])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    steps = []
    fine_tune(
        tmp_path / "noisy.npy",
        model=model,
        run=tmp_path / "run",
        on_progress=lambda learning: steps.append(learning.step),
        **FAST,
    )
    assert steps == [9, 10, 11, 12]


def test_a_damaged_state_is_refused_and_can_be_thrown_away(model, noisy, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"no state")
    arguments = {"model": model, "objective": "noise2void", "run": tmp_path, **FAST}
    with pytest.raises(InputError, match="damaged; start anew"):
        fine_tune(noisy, **arguments)
    assert fine_tune(noisy, **arguments, restart=True).steps == 12


def test_cancel_keeps_nothing(model, noisy, tmp_path):
    control = Control()
    with pytest.raises(Cancelled, match="nothing was kept"):
        fine_tune(
            noisy,
            model=model,
            run=tmp_path / "run",
            control=control,
            on_progress=lambda r: control.cancel() if r.step == 5 else None,
            **FAST,
        )
    assert not (tmp_path / "run").exists()


def test_stop_keeps_the_best_so_far(model, noisy, clean):
    control = Control()
    result = fine_tune(
        noisy,
        clean=clean,
        model=model,
        control=control,
        on_progress=lambda r: control.stop() if r.step == 9 else None,
        **FAST,
    )
    assert result.steps == 9
    assert result.model.sha256 != load(model).sha256


@pytest.mark.parametrize(("steps", "validate_every"), [(1, 4), (6, 4)])
def test_a_training_that_is_stopped_is_scored_once_more(model, noisy, clean, steps, validate_every):
    control, scores = Control(), {}

    def stop_at_last(learning):
        if learning.score is not None:
            scores[learning.step] = learning.score
        if learning.step == steps:
            control.stop()

    quick = FAST | {"validate_every": validate_every, "warm_up": 0.0}
    result = fine_tune(
        noisy, clean=clean, model=model, control=control, on_progress=stop_at_last, **quick
    )
    assert max(scores) == result.steps == steps
    assert result.best == max(result.start, *map(decibels, scores.values()))


def test_too_few_steps_are_not_judged(model, noisy, clean):
    few = FAST | {"steps": 3, "validate_every": 100, "learning_rate": 100.0, "warm_up": 0.0}
    result = fine_tune(noisy, clean=clean, model=model, **few)
    assert not result.improved
    assert result.verdict.startswith(
        "After 3 steps it is too early to tell whether fine-tuning helps; let it train longer, for "
        "100 steps or more (it scored no better at any time; PSNR against clean images: "
    )
    assert "of 8" not in result.verdict


def test_a_training_that_never_began_is_not_judged(model, noisy, clean):
    control = Control()
    control.stop()
    result = fine_tune(noisy, clean=clean, model=model, control=control, **FAST)
    assert (result.steps, result.improved) == (0, False)
    assert result.verdict == "The training ended before its first step; let it train longer."


def test_training_ends_when_it_stops_getting_better(model, noisy, clean):
    spoilt = FAST | {"learning_rate": 100.0, "steps": 1000, "validate_every": 1, "patience": 3}
    result = fine_tune(noisy, clean=clean, model=model, **spoilt | {"warm_up": 0.0})
    assert result.steps < 50


def test_a_model_that_is_not_better_is_called_so(model, noisy, clean):
    spoilt = FAST | {"learning_rate": 100.0, "warm_up": 0.0}
    result = fine_tune(noisy, clean=clean, model=model, **spoilt)
    assert not result.improved
    assert "is not better" in result.verdict
    assert "it scored no better at any time; PSNR" in result.verdict
    assert result.best == result.start
    assert encoder_sha256(result.model) == encoder_sha256(load(model))


def test_time_ends_a_training(model, noisy, monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(finetune_loop, "monotonic", lambda: float(next(clock)))
    result = fine_tune(noisy, model=model, **FAST | {"minutes": 2.0, "steps": None})
    assert 1 < result.steps < 12
    assert result.seconds >= 100


def test_what_comes_before_the_first_step_takes_nothing_of_the_time(model, noisy, monkeypatch):
    now, original = [0.0], Validator.__call__

    def take_an_hour(*given):
        now[0] += 3600
        return original(*given)

    monkeypatch.setattr(Validator, "__call__", take_an_hour)
    monkeypatch.setattr(finetune_loop, "monotonic", lambda: now[0])
    result = fine_tune(noisy, model=model, **FAST | {"minutes": 1.0, "steps": None})
    assert result.steps == FAST["validate_every"]


@pytest.mark.parametrize(
    ("given", "starts"),
    [
        (("noisy", "clean"), "supervised: there are clean"),
        (("noisy", "repeats"), "noise2noise: there are repeats"),
        (("noisy",), "refinement: only noisy images, and the noise of neighbouring pixels"),
        (("blurred",), "noise2void: only noisy images, and .* hidden with each"),
    ],
    ids=["clean", "repeats", "white", "correlated"],
)
def test_the_objective_is_chosen_and_explained(model, clean, noisy, repeats, given, starts):
    rng = np.random.default_rng(0)
    blurred = clean + 200 * gaussian_filter(rng.standard_normal(clean.shape), (0, 0, 0.8))
    images = {"noisy": noisy, "clean": clean, "repeats": repeats, "blurred": blurred}
    sources = {name.replace("blurred", "noisy"): images[name] for name in given}
    said = []
    result = fine_tune(
        **sources, model=model, **FAST | {"steps": 1}, on_start=lambda *what: said.append(what)
    )
    assert said == [(result.reason, result.notes)]
    assert re.match(starts, result.reason)


def test_repeats_along_an_axis(model, noisy, repeats):
    stack = np.stack([noisy, repeats])
    result = fine_tune(stack, axes="tzyx", repeat_axis="t", model=model, **FAST)
    assert result.reason == "noise2noise: the same fields are repeated along axis t."
    with pytest.raises(InputError, match="nothing is repeated along 'c'"):
        fine_tune(stack, axes="tzyx", repeat_axis="c", model=model, **FAST)


def test_synthetic_noise_by_hand_needs_no_noisy_image(model, clean):
    noise = {"gain": 2.0, "offset": 100.0, "read_noise": 30.0}
    result = fine_tune(clean=clean, noise=noise, model=model, **FAST)
    assert result.reason == "synthetic: there are clean images and the noise is given."
    assert result.model.card.noise == (
        "gain 2 a photon, offset 100, read noise 30 (raw units), white"
    )


def test_clean_images_of_another_scale_are_matched_and_that_is_said(model, noisy, clean):
    result = fine_tune(noisy, clean=clean * 3 + 5, model=model, **FAST)
    assert "matched by least squares" in result.notes[0]


def test_an_rgb_model_learns_from_grey_images(tiny_file, models_folder, noisy, clean):
    torch.manual_seed(0)
    config = replace(TINY, channels=3)
    card = ModelCard(name="colour", network=config, encoder=EncoderCard(source="random"), halo=96)
    save_model(Model(card, Denoiser(config).eval()), models_folder / "colour.safetensors")
    result = fine_tune(noisy, clean=clean, model="colour", **FAST | {"steps": 60})
    assert result.improved
    before, after = (
        np.square(denoise(noisy, which, device="cpu") - clean).mean()
        for which in ("colour", result.model)
    )
    assert after < before


def test_clip_without_a_decoder_gets_one_from_scratch(monkeypatch, noisy, clean, models_folder):
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig((1, 1, 1), 8))
    monkeypatch.setattr(finetune_start, "load_clip_encoder", lambda weights: encoder)
    monkeypatch.setattr(finetune_start, "FROM_SCRATCH", TINY)
    result = fine_tune(noisy, clean=clean, model="clip-rn50", **FAST | {"steps": 40})
    assert result.improved
    assert not result.model.card.encoder.included
    path = install(result.model)
    with safe_open(path, framework="numpy") as file:
        assert not any(name.startswith("encoder.") for name in file.keys())  # noqa: SIM118
    monkeypatch.setattr(clip, "load_clip_encoder", lambda weights, source: encoder)
    assert load("mine").sha256 == result.model.sha256


@pytest.mark.parametrize(
    ("sources", "values", "message"),
    [
        ({}, {}, "nothing to learn from"),
        ({"noisy": "nan"}, {}, "no finite value"),
        ({"noisy": "flat"}, {}, "is constant"),
        ({"noisy": "small"}, {"patch": 64}, "too few to learn from"),
        ({"noisy": "small"}, {"patch": 96}, "a side of 64 pixels, less than a patch"),
        ({"noisy": "noisy", "clean": "small"}, {}, "of the same size"),
        ({"noisy": "noisy"}, {"objective": "supervised"}, "supervised needs noisy images and"),
        ({"noisy": "noisy"}, {"objective": "noise2noise"}, "noise2noise needs noisy images, and"),
        ({"clean": "noisy"}, {"objective": "noise2void"}, "noise2void needs noisy images"),
        ({"clean": "noisy"}, {}, "synthetic needs clean images, and noisy ones or numbers"),
        ({"noisy": "noisy"}, {"model": "nonsense"}, "no model 'nonsense'"),
        ({"noisy": "noisy"}, {"patch": 40}, "patch=40 is wrong"),
        ({"noisy": "noisy"}, {"batch": 3, "devices": 2}, "cannot be shared by 2 devices"),
    ],
)
def test_wrong_input_gives_one_sentence(model, noisy, sources, values, message):
    images = {
        "noisy": noisy,
        "nan": np.full((160, 160), np.nan),
        "flat": np.full((160, 160), 7, np.uint8),
        "small": noisy[0, :64, :64],
    }
    given = {name: images[image] for name, image in sources.items()}
    with pytest.raises(Exception, match=message) as caught:
        fine_tune(**given, **{"model": model, **FAST, **values})
    assert str(caught.value).count(". ") == 0


def test_a_full_disk_gives_one_sentence(model, noisy, tmp_path, monkeypatch):
    original = Path.write_bytes

    def full(self, data):
        if self.name.endswith(".partial"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device; make room and start it again"):
        fine_tune(noisy, model=model, run=tmp_path / "run", **FAST)


def test_settings_are_checked():
    settings = make_fine_tune_settings(minutes=3)
    assert settings.objective == "auto"
    assert make_fine_tune_settings().minutes == 15
    assert make_fine_tune_settings(steps=9).minutes is None
    with pytest.raises(InputError, match=r"objective='magic' is wrong"):
        make_fine_tune_settings(objective="magic")
