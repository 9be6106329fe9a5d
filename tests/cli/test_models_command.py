import shutil
from pathlib import Path

import numpy as np
import tifffile
from typer.testing import CliRunner

from napari_clip_denoise.cli.app import app
from napari_clip_denoise.models.registry import entries
from zoo_packages import box, box_torchscript


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


def test_a_package_is_shown_imported_and_run(cli, tmp_path, models_folder):
    package = box(tmp_path / "box.zip")
    code, out, _ = cli("models", "show", package)
    assert code == 0
    assert "Ada Lovelace" in out
    assert cli("models", "import", package, "--name", "lab")[:2] == (0, "Imported 'lab'\n")
    assert "Means of 5x5" in cli("models", "list")[1]
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(500, 9, (60, 70)).astype("f4"))
    for model in ("lab", package):
        result = tmp_path / f"{Path(model).stem}.tif"
        code, _, err = cli("denoise", tmp_path / "a.npy", result, "--model", model, "--no-check")
        assert code == 0, err
    assert np.array_equal(*map(tifffile.imread, (tmp_path / "lab.tif", tmp_path / "box.tif")))


def test_packages_that_cannot_be_run_end_with_one_sentence(cli, tmp_path, models_folder):
    np.save(tmp_path / "a.npy", np.zeros((9, 9), np.float32))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK")
    exchanged = box(tmp_path / "exchanged.zip", sha256="1" * 64)
    content = box_torchscript(tmp_path)
    script = box(tmp_path / "script.zip", content, kind="torchscript", weights="net.pt")
    for package in (broken, exchanged, script):
        for command in (
            ("denoise", tmp_path / "a.npy", tmp_path / "b.tif", "--model", package),
            ("models", "import", package),
        ):
            code, _, err = cli(*command)
            assert code == 2
            assert err.startswith("Error: ")
            assert err.count("\n") == 1
    assert list(models_folder.iterdir()) == []
    assert cli("models", "import", script, "--trust", "--name", "lab")[0] == 0


def test_a_broken_model_does_not_hide_the_others(cli, models_folder):
    (models_folder / "broken.safetensors").write_bytes(b"no model")
    code, out, _ = cli("models", "list")
    assert code == 0
    assert "compact" in out
    assert "damaged" in out
