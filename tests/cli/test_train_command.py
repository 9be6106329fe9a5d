import numpy as np
import pytest
from typer.testing import CliRunner

from napari_clip_denoise import load
from napari_clip_denoise.cli import train as command
from napari_clip_denoise.cli.app import app
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture
def arguments(tmp_path, tiny_file):
    """A smoke run of the CT recipe on the encoder of a small model."""
    (tmp_path / "data").mkdir()
    plane = (1000 * fluorescence((48, 60), seed=1) - 500).astype(np.int16)
    np.save(tmp_path / "data" / "0.npy", plane)
    return ["train", "paper-ldct-gaussian5", "--data", str(tmp_path / "data"), "--smoke",
            "--run", str(tmp_path / "run"), "--encoder", str(tiny_file)]  # fmt: skip


def test_a_trained_model_is_installed_on_demand_or_the_command_is_named(arguments, tmp_path):
    name = "paper-ldct-gaussian5-smoke"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    text = done.stdout.replace("\n", " ")
    assert "To use it by its name: clip-denoise models import" in text
    again = CliRunner().invoke(app, [*arguments, "--resume", "--install"])
    assert f"clip-denoise denoise --model {name} INPUT OUTPUT" in again.stdout
    assert load(name).card.intensity == "window"
    silent = CliRunner().invoke(app, [*arguments, "--resume", "--no-install"])
    assert "To use it" not in silent.stdout
    renamed = ["models", "import", str(tmp_path / "run" / f"{name}.safetensors"), "--name", "ct"]
    assert "Imported 'ct'" in CliRunner().invoke(app, renamed).stdout
    assert load("ct").sha256 == load(name).sha256
    assert "already a model 'ct'" in str(CliRunner().invoke(app, renamed).exception)
    assert CliRunner().invoke(app, [*renamed, "--overwrite"]).exit_code == 0


@pytest.mark.parametrize("answer", [True, False])
def test_somebody_at_the_terminal_is_asked(tiny_file, models_folder, monkeypatch, answer):
    questions = []

    def confirm(question):
        questions.append(question)
        return answer

    monkeypatch.setattr(command.sys, "stdin", type("Terminal", (), {"isatty": lambda _: True})())
    monkeypatch.setattr(command.typer, "confirm", confirm)
    command._offer(tiny_file, None)
    assert questions == ["Install it as 'tiny', so that its name is enough to use it?"]
    assert (models_folder / "tiny.safetensors").exists() == answer
    if answer:
        command._offer(tiny_file, None)
        assert questions[1].startswith("Replace your model 'tiny'")
