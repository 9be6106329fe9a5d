import numpy as np
import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from benchmarks import study
from napari_clip_denoise import load
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.optim import learning_rate


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_clip_denoise.evaluation.scores.evaluate.SIDE", 64)
    (tmp_path / "rgb").mkdir()
    planes = [fluorescence((40, 48), seed=seed).clip(0, 1) for seed in range(3)]
    pixels = (255 * np.stack(planes, -1)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "rgb" / "0.png")
    return tmp_path / "rgb"


def test_variants_differ_in_what_is_studied_alone():
    frozen, unaugmented, random = (study.variant_recipe(v, 300) for v in study.variants())
    assert frozen.network == unaugmented.network == random.network
    assert frozen.network.encoder == load("compact").card.network.encoder
    assert (frozen.encoder, random.encoder) == ("compact", "random")
    levels = [r.optimisation.augmentation_level for r in (frozen, unaugmented, random)]
    assert levels == [0.025, 0, 0.025]
    assert frozen.optimisation.periods == (92, 208)
    assert random.batch_norm == frozen.batch_norm == "openai"
    of_clip = study.variants("open_clip:RN101")
    clip, _, random = (study.variant_recipe(v, 300, shaped_as="open_clip:RN101") for v in of_clip)
    assert clip.network == random.network
    assert clip.network.encoder.layers == (3, 4, 23)
    assert (clip.batch_norm, random.batch_norm) == ("adapt", "adapt")
    assert learning_rate(91, frozen.optimisation) == 3e-4
    assert learning_rate(299, frozen.optimisation) == pytest.approx(1e-6, rel=0.1)


def test_the_command_trains_scores_and_goes_on(folder, tmp_path):
    app = Typer()
    app.command()(study.main)
    arguments = ["--data", str(folder), "--test", str(folder), "--steps", "4",
                 "--batch", "2", "--crop", "32", "--run", str(tmp_path / "run")]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert "| noisy | frozen | frozen-unaugmented | random | IDF (published) |" in done.stdout
    (row,) = (line for line in done.stdout.splitlines() if "| gaussian-50 |" in line)
    assert row.endswith("| 25.73 |")
    assert load(tmp_path / "run" / "random.safetensors").card.encoder.source == "random, frozen"
    again = CliRunner().invoke(app, arguments)
    assert again.stdout == done.stdout
    assert "step" not in again.stderr
