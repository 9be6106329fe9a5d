import shutil

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from napari_clip_denoise.cli.app import app, main
from napari_clip_denoise.models.card_file import read_card

FAST = """
batch: 4
patch: 32
validate_every: 10
held_out: 8
learning_rate: 0.003
warm_up: 0.0
"""


@pytest.fixture
def folder(tmp_path, tiny_file, models_folder):
    """Noisy and clean images, settings, and the model 'tiny'."""
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    rng = np.random.default_rng(0)
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
    for i in range(2):
        clean = 300 * gaussian_filter((rng.random((96, 96)) > 0.99) * 10.0, 2)
        np.save(tmp_path / "clean" / f"{i}.npy", clean)
        np.save(tmp_path / "noisy" / f"{i}.npy", clean + rng.normal(0, 40, clean.shape))
    (tmp_path / "fast.yaml").write_text(FAST)
    return tmp_path


def run(folder, *arguments):
    common = ("mine", str(folder / "noisy"), "--settings", str(folder / "fast.yaml"))
    device = ("--device", "cpu", "--model", "tiny")
    return CliRunner().invoke(app, ["finetune", *common, *device, *arguments])


def test_finetune_saves_a_better_model_under_its_name(folder, models_folder):
    clean = ("--clean", str(folder / "clean"), "--steps", "30")
    done = run(folder, *clean)
    assert done.exit_code == 0, done.output
    assert "Objective supervised: there are clean images of the same fields." in done.output
    assert "is better than the base model" in done.output
    card = read_card(models_folder / "mine.safetensors")
    assert card.recipe["fine_tuning"]["batch"] == 4
    assert card.recipe["fine_tuning"]["minutes"] is None
    assert [path.name for path in models_folder.rglob("*.pt")] == []
    again = run(folder, *clean)
    assert "already a model 'mine'" in str(again.exception)
    assert run(folder, *clean, "--overwrite").exit_code == 0


def test_a_model_that_is_not_better_is_not_saved(folder, models_folder):
    spoilt = (folder / "fast.yaml").read_text().replace("0.003", "100")
    (folder / "fast.yaml").write_text(spoilt)
    arguments = ("--clean", str(folder / "clean"), "--steps", "10")
    done = run(folder, *arguments)
    assert done.exit_code == 1
    assert "is not better" in done.output
    assert "'tiny' stays the model to use" in done.output
    assert not (models_folder / "mine.safetensors").exists()
    assert run(folder, *arguments, "--keep").exit_code == 0
    assert (models_folder / "mine.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objective", "supervised"), "supervised needs"),
        (("--noise", "a,b"), "noise 'a,b' is wrong"),
        (("--settings", "missing.yaml"), "cannot be read"),
        (("--minutes", "-1"), "minutes=-1.0 is wrong"),
    ],
)
def test_wrong_options_give_one_sentence(folder, arguments, message):
    done = run(folder, *arguments)
    assert done.exit_code != 0
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("noisy", "clean", "message"),
    [
        (np.full((160, 160), np.nan), None, "has no finite value"),
        (np.arange(64.0**2).reshape(64, 64), None, "a side of 64 pixels, less than a patch of 96"),
        (np.eye(192), np.eye(96), "give pairs of the same size"),
    ],
)
def test_wrong_images_end_with_one_sentence(
    noisy, clean, message, tmp_path, tiny_file, models_folder, monkeypatch, capsys
):
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    arguments = ["mine", str(tmp_path / "noisy.npy"), "--model", "tiny", "--device", "cpu"]
    np.save(tmp_path / "noisy.npy", noisy)
    if clean is not None:
        np.save(tmp_path / "clean.npy", clean)
        arguments += ["--clean", str(tmp_path / "clean.npy")]
    monkeypatch.setattr("sys.argv", ["clip-denoise", "finetune", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == 2
    assert last.startswith("Error: ")
    assert message in last
