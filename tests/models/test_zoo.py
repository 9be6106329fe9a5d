"""Packages of other authors: what is read of them, and what is refused in one sentence."""

import hashlib
import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from napari_clip_denoise import denoise, export_model, load
from napari_clip_denoise.errors import InputError, ModelError, UntrustedCode
from napari_clip_denoise.evaluation.trust.uncertainty import uncertainty
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.models.card_view import as_html, as_json, as_markdown
from napari_clip_denoise.models.library import add_file, delete, rename
from napari_clip_denoise.models.registry import card_at, entries, find
from napari_clip_denoise.training.finetune.check import check_fine_tuning
from napari_clip_denoise.training.finetune.settings import FineTuneSettings
from napari_clip_denoise.training.finetune.start import starting_model
from zoo_packages import (
    ANY,
    BATCH,
    CHANNEL,
    CITED,
    box,
    box_onnx,
    box_torchscript,
    describe,
    like,
    space,
    write,
)


@pytest.fixture
def package(tmp_path):
    return box(tmp_path / "box.zip", pre=[{"id": "zero_mean_unit_variance"}])


@pytest.fixture
def script(tmp_path):
    """The box as TorchScript."""
    content = box_torchscript(tmp_path)
    return box(tmp_path / "script.zip", content, kind="torchscript", weights="net.pt")


def test_the_card_shows_licence_authors_and_citation(package, models_folder):
    card = card_at(package)
    assert (card.name, card.title, card.licence) == ("box", "Box of the lab", "MIT")
    assert card.authors == ("Ada Lovelace", "Charles Babbage")
    assert card.data == "affable-shark"
    add_file(package)
    (entry,) = [entry for entry in entries() if entry.origin == "user"]
    for page in (as_html(entry), as_markdown(card)):
        lower = page.lower()
        for words in ("Ada Lovelace, Charles Babbage", CITED, "10.1234/box", "MIT", "Means of 5x5"):
            assert words.lower() in lower
        assert "affable-shark" in lower
        assert "mean and standard deviation of a channel become 0 and 1" in lower
        assert lower.index("licence") < lower.index("trained on")
    shown = json.loads(as_json(card))
    assert shown["weights"]["format"] == "onnx"
    assert not {"network", "encoder", "pad_multiple"} & set(shown)


def test_a_package_is_imported_renamed_and_deleted(package, models_folder, tmp_path):
    assert add_file(package) == "box-of-the-lab"
    with pytest.raises(InputError, match="already a model 'box-of-the-lab'"):
        add_file(package)
    assert add_file(package, name="lab") == "lab"
    with pytest.raises(InputError, match="cannot be the name of a model"):
        add_file(package, name="my lab/1")
    rename("lab", "ours")
    assert [e.name for e in entries() if e.origin == "user"] == ["box-of-the-lab", "ours"]
    loaded = load("ours")
    assert loaded.card.name == "ours"
    assert loaded.sha256 == load(package).sha256
    assert load(package).card.halo == loaded.card.halo == 2
    delete("ours")
    delete("box-of-the-lab")
    assert list(models_folder.iterdir()) == []


def test_a_name_is_that_of_one_model_only(package, tiny_file, models_folder):
    add_file(tiny_file, name="lab")
    with pytest.raises(InputError, match="already a model 'lab'"):
        add_file(package, name="lab", overwrite=True)


def test_the_folder_of_a_package_is_one_too(package, tmp_path, models_folder):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    assert find(folder) == folder
    assert load(folder).sha256 == load(package).sha256
    assert add_file(folder, name="lab") == "lab"
    assert load("lab").sha256 == load(package).sha256


def test_a_package_travels_to_workers_as_its_path(package):
    sent = pickle.dumps(load(package))
    assert len(sent) < 1000
    assert pickle.loads(sent).sha256 == load(package).sha256


def test_torchscript_needs_consent_which_is_kept_for_these_weights_alone(
    script, tmp_path, models_folder, monkeypatch
):
    with pytest.raises(UntrustedCode, match="runs code that it holds when it is loaded") as told:
        load(script)
    assert f"models import {script} --trust" in str(told.value)
    with pytest.raises(UntrustedCode):
        add_file(script)
    assert list(models_folder.iterdir()) == []
    assert load(script, trust=True).card.weights.format == "torchscript"
    with pytest.raises(UntrustedCode):
        load(script)
    add_file(script, name="lab", trust=True)
    image = np.random.default_rng(0).random((40, 50), np.float32)
    assert np.ptp(denoise(image, "lab", device="cpu", check=False)) < np.ptp(image)
    other = box(tmp_path / "b.zip", b"other code", kind="torchscript", weights="net.pt")
    shutil.copy(other, models_folder / "lab.zip")
    with pytest.raises(ModelError, match="do not have the SHA-256 of their description"):
        load("lab")
    shutil.copy(other, models_folder / "dropped.zip")
    with pytest.raises(UntrustedCode):
        load("dropped")


def test_consent_beside_a_package_elsewhere_is_none(script, tmp_path, models_folder):
    add_file(script, name="lab", trust=True)
    for name in ("lab.zip", "lab.zip.json"):
        shutil.copy(models_folder / name, tmp_path / name)
    with pytest.raises(UntrustedCode):
        load(tmp_path / "lab.zip")


def test_what_only_our_own_models_can_is_refused(package, tmp_path):
    model = load(package)
    stack = as_stack(np.random.default_rng(0).random((64, 64), np.float32))
    job = prepare(stack, model, make_settings(device="cpu"))
    with pytest.raises(ModelError, match="has no features or uncertainty"):
        uncertainty(job, whole(stack.shape))
    with pytest.raises(ModelError, match="cannot be fine-tuned"):
        starting_model(FineTuneSettings(model=str(package)))
    with pytest.raises(ModelError, match=r"box is a package of other authors; .* fine-tuned"):
        check_fine_tuning(FineTuneSettings(model=str(package)))
    with pytest.raises(ModelError, match="cannot be fine-tuned or exported"):
        model.denoiser  # noqa: B018
    with pytest.raises(InputError, match=r"is not exported again; share .*box\.zip itself"):
        export_model(package, tmp_path / "a.onnx")
    assert "box.zip" in repr(model)


VOLUME = [BATCH, CHANNEL, *(space(axis, ANY) for axis in "zyx")]
SECOND = {
    "id": "second",
    "axes": [BATCH, CHANNEL, space("y", ANY), space("x", ANY)],
    "test_tensor": {"source": "in.npy"},
}
TWICE = {"id": "scale_linear", "kwargs": {"gain": 2.0}}
UNSUITABLE = {
    "volume": (
        {"given": VOLUME, "result": [BATCH, CHANNEL, *map(like, "zyx")]},
        "axes batch, channel, z, y, x; only packages for 2D",
    ),
    "two inputs": ({"more_inputs": [SECOND]}, "has 2 inputs; only packages with one image"),
    "unknown": ({"pre": [{"id": "sharpen"}]}, r"The description in .* is not valid: .*sharpen"),
    "binarize": (
        {"post": [{"id": "binarize", "kwargs": {"threshold": 0.5}}]},
        "its 'binarize' is not a calculation that can be done tile by tile",
    ),
    "measured result": (
        {"post": [{"id": "scale_range"}]},
        "its 'scale_range' is not a calculation that can be done tile by tile",
    ),
    "late": ({"pre": [TWICE, {"id": "scale_range"}]}, "comes after another part"),
    "rounded": (
        {"pre": [{"id": "ensure_dtype", "kwargs": {"dtype": "uint8"}}]},
        "rounds values to uint8",
    ),
    "percentile clip": (
        {"pre": [{"id": "clip", "kwargs": {"max_percentile": 99.0}}]},
        "clips to measured values",
    ),
    "negative": (
        {"pre": [{"id": "scale_linear", "kwargs": {"gain": -1.0}}]},
        "turns bright into dark",
    ),
    "other scale": (
        {"pre": [{"id": "scale_range"}], "post": [TWICE]},
        "not on the scale of the image",
    ),
    "rows apart": (
        {"pre": [{"id": "scale_range", "kwargs": {"axes": ["x"]}}]},
        "measures the image apart for each y",
    ),
    "other size": (
        {"result": [BATCH, CHANNEL, like("y", 1), like("x", 1)]},
        "is not the input denoised, pixel by pixel",
    ),
    "two channels": (
        {
            "given": [
                BATCH,
                {"type": "channel", "channel_names": ["a", "b"]},
                space("y", ANY),
                space("x", ANY),
            ]
        },
        "makes 1 channels from 2; only networks that denoise one channel",
    ),
    "remote weights": ({"weights": "https://example.org/net.onnx"}, "not in the package"),
    "pickle": (
        {"kind": "keras_hdf5", "weights": "net.h5"},
        "weights neither as ONNX nor as TorchScript",
    ),
    "wrong hash": ({"sha256": "0" * 64}, "do not have the SHA-256 of their description"),
}


@pytest.mark.parametrize("name", UNSUITABLE)
def test_an_unsuitable_package_is_refused_in_one_sentence(name, tmp_path):
    described, words = UNSUITABLE[name]
    description = describe(**described)
    if name == "pickle":
        description["weights"]["keras_hdf5"] = {
            "source": "net.h5",
            "tensorflow_version": "2.12",
        }
    package = write(tmp_path / "a.zip", description, box_onnx())
    with pytest.raises(ModelError, match=words) as refused:
        load(package)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_damaged_packages_are_refused_in_one_sentence(package, tmp_path):
    content = package.read_bytes()
    broken = tmp_path / "broken.zip"
    for kept in (content[:500], b"", b"not a zip" * 100):
        broken.write_bytes(kept)
        with pytest.raises(ModelError, match=r"broken.zip is damaged or not a .zip"):
            load(broken)
    with pytest.raises(ModelError, match="There is no model file"):
        load(tmp_path / "missing.zip")
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ModelError, match=r"holds no bioimageio.yaml or rdf.yaml"):
        load(broken)
    for text in ("[", "- 1", "type: model", "format_version: 0.5.3\ntype: dataset\nname: a"):
        with zipfile.ZipFile(broken, "w") as archive:
            archive.writestr("rdf.yaml", text)
        with pytest.raises(ModelError, match=r"broken.zip"):
            load(broken)
    write(broken, describe(), b"no network")
    with pytest.raises(ModelError, match="The ONNX network cannot be loaded"):
        load(broken)


def test_weights_that_are_missing_or_outside_are_refused(tmp_path):
    content = box_onnx()
    sha256 = hashlib.sha256(content).hexdigest()
    package = write(tmp_path / "a.zip", describe(sha256=sha256), content)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    (folder / "net.onnx").unlink()
    with pytest.raises(ModelError, match="lacks its file net"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"n_inputs": 2}, "has 2 inputs, of tensor"),
        ({"valid": True}, r"returns .* where its description announces"),
        ({"sides": (64, 64)}, "fails on an input of"),
    ],
)
def test_a_network_that_is_not_as_described_is_refused(content, words, tmp_path):
    with pytest.raises(ModelError, match=words):
        load(box(tmp_path / "a.zip", box_onnx(**content)))
