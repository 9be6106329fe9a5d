import shutil

from typer.testing import CliRunner

from napari_clip_denoise.cli.app import app
from napari_clip_denoise.models.registry import entries


def test_models_are_renamed_exported_and_deleted(tiny_file, models_folder, tmp_path):
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    run = CliRunner().invoke
    assert run(app, ["models", "rename", "tiny", "lab"]).exit_code == 0
    copy = tmp_path / "copy.safetensors"
    assert run(app, ["models", "export", "lab", str(copy)]).exit_code == 0
    assert copy.exists()
    run(app, ["models", "delete", "lab"], input="n\n")
    assert [entry.name for entry in entries()] == ["compact", "compact-rgb", "lab"]
    run(app, ["models", "delete", "lab", "--yes"])
    assert [entry.name for entry in entries()] == ["compact", "compact-rgb"]


def test_a_broken_model_does_not_hide_the_others(cli, models_folder):
    (models_folder / "broken.safetensors").write_bytes(b"no model")
    code, out, _ = cli("models", "list")
    assert code == 0
    assert "compact" in out
    assert "damaged" in out
