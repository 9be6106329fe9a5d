import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_clip_denoise import load
from napari_clip_denoise.cli.app import app
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_clip_denoise.evaluation.scores.evaluate.SIDE", 64)
    (tmp_path / "cells").mkdir()
    image = (255 * fluorescence((60, 70), seed=0).clip(0, 1)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "cells" / "0.png")
    return tmp_path / "cells"


def test_tables_are_printed_and_scores_written_on_a_card(folder, tiny_file, tmp_path):
    done = CliRunner().invoke(
        app,
        ["evaluate", "--data", str(folder), "--model", str(tiny_file), "--baseline", "gaussian",
         "--noise", "gaussian-50", "--noise", "speckle", "--device", "cpu", "--output",
         str(tmp_path / "out"), "--card", str(tmp_path / "scored.safetensors")],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "| data | noise | noisy | tiny | gaussian |" in done.stdout
    assert (tmp_path / "out" / "scores.md").read_text() == done.stdout
    scores = load(tmp_path / "scored.safetensors").card.scores
    assert [(score.noise, score.metric) for score in scores] == [
        ("gaussian-50", "PSNR (dB)"), ("gaussian-50", "SSIM"),
        ("speckle-0.04", "PSNR (dB)"), ("speckle-0.04", "SSIM"),
    ]  # fmt: skip


def test_a_card_needs_a_model(folder):
    arguments = ["evaluate", "--data", str(folder), "-b", "gaussian", "--card", "x.safetensors"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, InputError)
    assert "no model to write scores on" in str(done.exception)


def test_a_self_ensemble_is_scored_but_not_on_a_card(folder, tiny_file, tmp_path):
    arguments = ["evaluate", "--data", str(folder), "-m", str(tiny_file), "--noise", "gaussian-25"]
    arguments += ["--no-clean", "--device", "cpu"]
    single, ensemble = (
        CliRunner().invoke(app, [*arguments, *option]) for option in ([], ["--self-ensemble"])
    )
    assert single.exit_code == ensemble.exit_code == 0
    rows = [
        next(line for line in done.output.splitlines() if "gaussian-25" in line)
        for done in (single, ensemble)
    ]
    assert rows[0] != rows[1]
    card = ["--self-ensemble", "--card", str(tmp_path / "x.safetensors")]
    assert isinstance(CliRunner().invoke(app, [*arguments, *card]).exception, InputError)
