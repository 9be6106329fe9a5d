import shutil
import subprocess
import sys

import pytest

from napari_clip_denoise import load
from napari_clip_denoise.errors import InputError, ModelError
from napari_clip_denoise.models.card_file import read_card
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.export import export_model
from napari_clip_denoise.models.library import add_file, delete, install, rename
from napari_clip_denoise.models.registry import entries, find


def test_the_bundled_model_comes_first_and_is_small():
    first = entries()[0]
    assert (first.name, first.origin) == ("compact", "bundled")
    assert first.path.stat().st_size < 10e6
    assert first.card.scores
    assert first.card.licence
    assert first.card.recipe["name"] == "compact"


@pytest.mark.parametrize(("rgb", "name"), [(True, "compact-rgb"), (False, "compact")])
def test_auto_stands_for_the_bundled_model_of_a_kind_of_images(rgb, name):
    assert load("auto", rgb=rgb).card.name == name
    assert load(name, rgb=not rgb).card.name == name
    assert find("auto", rgb=rgb) == find(name)


def test_auto_is_no_model_where_the_kind_of_images_is_not_told():
    with pytest.raises(ModelError, match="There is no model 'auto'"):
        load("auto")


def test_no_model_is_called_auto(tiny, models_folder):
    with pytest.raises(InputError, match="'auto' is reserved for the bundled models"):
        install(Model(tiny.card.model_copy(update={"name": "auto"}), tiny.denoiser))
    assert not list(models_folder.iterdir())


def test_a_file_dropped_into_the_folder_is_a_model(tiny, tiny_file, models_folder):
    shutil.copy(tiny_file, models_folder / "lab.safetensors")
    assert [e.origin for e in entries() if e.name == "lab"] == ["user"]
    assert load("lab").sha256 == tiny.sha256


def test_installing_keeps_what_is_there(tiny, models_folder):
    assert install(tiny) == models_folder / "tiny.safetensors"
    with pytest.raises(InputError, match="already a model 'tiny'"):
        install(tiny)
    install(tiny, overwrite=True)


def test_unknown_models_are_answered_with_those_there_are():
    with pytest.raises(ModelError, match="one of: compact"):
        find("nonsense")


def test_clip_without_a_decoder_says_what_to_do():
    with pytest.raises(ModelError, match=r"no decoder yet; import .* or train"):
        load("clip-rn50")


def test_a_file_is_added_renamed_exported_and_deleted(tiny, tiny_file, models_folder, tmp_path):
    assert add_file(tiny_file) == "tiny"
    with pytest.raises(InputError, match="already a model 'tiny'"):
        add_file(tiny_file)
    assert rename("tiny", "lab") == models_folder / "lab.safetensors"
    assert load("lab").sha256 == tiny.sha256
    assert load("lab").card.name == "lab"
    copy = export_model("lab", tmp_path / "for-you")
    assert copy.name == "for-you.safetensors"
    assert load(copy).sha256 == tiny.sha256
    delete("lab")
    assert [entry.origin for entry in entries()] == ["bundled", "bundled"]
    assert copy.exists()


def test_a_rename_keeps_the_type_of_the_weights(models_folder):
    export_model("compact", models_folder / "mine")
    size = find("mine").stat().st_size
    rename("mine", "ours")
    assert abs(find("ours").stat().st_size - size) < 100
    assert read_card(find("ours")).scores == read_card(find("compact")).scores


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rename("compact", "mine"), "comes with the program"),
        (lambda: delete("compact"), "comes with the program"),
        (lambda: delete("nonsense"), "no model 'nonsense'"),
        (lambda: rename("tiny", "no/name"), "cannot be the name"),
        (lambda: rename("tiny", "tiny"), "already a model"),
    ],
)
def test_what_cannot_be_managed_is_refused(tiny, models_folder, call, message):
    install(tiny)
    with pytest.raises((InputError, ModelError), match=message):
        call()
    assert (models_folder / "tiny.safetensors").exists()


def test_cards_are_read_without_torch():
    code = (
        "import sys; from napari_clip_denoise.models.registry import entries; "
        "assert entries()[0].card.name == 'compact'; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
