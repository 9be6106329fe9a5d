import shutil

import pytest

from napari_clip_denoise import load
from napari_clip_denoise.errors import InputError, ModelError
from napari_clip_denoise.models.registry import entries, find, install


def test_the_bundled_model_comes_first_and_is_small():
    first = entries()[0]
    assert (first.name, first.origin) == ("compact", "bundled")
    assert first.path.stat().st_size < 10e6
    assert first.card.scores
    assert first.card.licence
    assert first.card.recipe["name"] == "compact"


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
