import io
import sys
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from bioimageio import core
from bioimageio.core.digest_spec import get_test_input_sample, get_test_output_sample

from napari_clip_denoise import denoise, export_model, load
from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.images.intensity_methods import CTWindow
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, save_model
from napari_clip_denoise.models.export import SUFFIXES
from napari_clip_denoise.models.export.bioimageio import write_bioimageio
from napari_clip_denoise.models.export.onnx import onnx_bytes
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

SIZES = ((1, 32, 32), (2, 64, 96), (3, 96, 32))
"""Batch, rows and columns, other ones than in the export."""


@pytest.fixture(scope="module")
def published():
    """A small RGB network of the paper's shape, as the authors' checkpoints are imported."""
    torch.manual_seed(0)
    config = DenoiserConfig(
        encoder=EncoderConfig(layers=(1, 1, 1), width=8), decoder_channels=(32, 16, 16, 8, 8)
    )
    card = ModelCard(
        name="paper.like",
        network=config,
        encoder=EncoderCard(source="random weights"),
        pad_multiple=32,
        halo=16,
        clamp=True,
        intensity="window",
        licence="See the authors' page.",
    )
    return Model(card, Denoiser(config).requires_grad_(False).eval())


@pytest.fixture(scope="module")
def published_onnx(published):
    """The same as ONNX."""
    return onnx_bytes(published)


def in_use(model, batch):
    """What a run takes the network's answer for."""
    denoised = model.denoiser(torch.from_numpy(batch)).numpy()
    return denoised.clip(0, 1) if model.card.clamp else denoised


@pytest.mark.parametrize("name", ["compact", "published"])
def test_onnx_gives_what_the_network_gives_at_any_size(name, published, published_onnx):
    model = published if name == "published" else load(name)
    exported = published_onnx if name == "published" else onnx_bytes(model)
    session = onnxruntime.InferenceSession(exported)
    rng = np.random.default_rng(0)
    for n, height, width in SIZES:
        shape = (n, model.card.network.channels, height, width)
        batch = rng.random(shape, np.float32)
        given = {"noisy": batch}
        if model.card.network.noise_level:
            given["noise_level"] = np.full((n, 1, height, width), np.nan, np.float32)
        (denoised,) = session.run(None, given)
        expected = in_use(model, batch)
        assert np.abs(expected - batch).mean() > 0.01
        np.testing.assert_allclose(denoised, expected, atol=1e-4)


def test_onnx_of_a_network_that_is_told_the_noise_level_has_it_as_second_input(told):
    session = onnxruntime.InferenceSession(onnx_bytes(told))
    assert [given.name for given in session.get_inputs()] == ["noisy", "noise_level"]
    rng = np.random.default_rng(0)
    for n, height, width in SIZES:
        batch, level = rng.random((2, n, 1, height, width), np.float32)
        level[0, :, ::3] = np.nan
        (denoised,) = session.run(None, {"noisy": batch, "noise_level": level})
        expected = told.denoiser(*map(torch.from_numpy, (batch, level))).numpy()
        assert np.abs(expected - in_use(told, batch)).mean() > 0.01
        np.testing.assert_allclose(denoised, expected, atol=1e-4)


def test_onnx_says_which_sizes_it_takes_and_holds_the_card(published, published_onnx):
    exported = onnx.load_from_string(published_onnx)
    shape = exported.graph.input[0].type.tensor_type.shape
    assert [axis.dim_param for axis in shape.dim] == ["batch", "", "32*rows", "32*columns"]
    assert exported.opset_import[0].version == 18
    (card,) = (prop.value for prop in exported.metadata_props if prop.key == "card")
    assert ModelCard.model_validate_json(card) == published.card


@pytest.fixture(scope="module")
def packages(tiny, published, told, tmp_path_factory):
    """All three models as packages of the zoo."""
    folder = tmp_path_factory.mktemp("packages")
    licensed = tiny.card.model_copy(update={"licence": "BSD-3-Clause (weights)"})
    for model in (replace(tiny, card=licensed), published, told):
        write_bioimageio(model, folder / f"{model.card.name}.zip", ["Ada Lovelace"])
    return folder


@pytest.mark.parametrize("name", ["tiny", "paper.like", "told"])
def test_a_package_of_the_zoo_passes_the_zoos_own_tests(name, packages):
    summary = core.test_model(packages / f"{name}.zip")
    assert summary.status == "passed", summary.format()
    assert {detail.status for detail in summary.details} == {"passed"}
    tested = {detail.loc for detail in summary.details}
    assert {("weights", "onnx"), ("weights", "torchscript")} <= tested


def test_a_package_says_what_the_card_says(packages):
    described = core.load_description(packages / "paper.like.zip")
    assert described.name == "napari-clip-denoise paper-like"
    assert [author.name for author in described.authors] == ["Ada Lovelace"]
    assert described.cite[0].doi == "10.48550/arXiv.2403.15132"
    assert described.license.get_reader().read() == b"See the authors' page."
    page = described.documentation.get_reader().read().decode()
    assert "# paper.like" in page
    assert "The package maps -1024 to 3072 to [0, 1] and back." in page
    assert described.outputs[0].axes[-1].halo == 16


def test_a_package_maps_a_window_there_and_back(published, packages):
    described = core.load_description(packages / "paper.like.zip")
    noisy = get_test_input_sample(described).members["noisy"].data.to_numpy()
    denoised = get_test_output_sample(described).members["denoised"].data.to_numpy()
    low, high = CTWindow.window
    expected = in_use(published, (noisy - low) / (high - low)) * (high - low) + low
    assert np.ptp(expected) > 0.1 * (high - low)
    np.testing.assert_allclose(denoised, expected, atol=1e-3 * (high - low))


def test_a_package_of_a_network_that_is_told_the_noise_level_has_the_blind_one(told, packages):
    described = core.load_description(packages / "told.zip")
    assert [given.id for given in described.inputs] == ["noisy"]
    page = described.documentation.get_reader().read().decode()
    assert "in which the noise level is unknown." in page
    noisy = get_test_input_sample(described).members["noisy"].data.to_numpy()
    denoised = get_test_output_sample(described).members["denoised"].data.to_numpy()
    low, high = np.percentile(noisy, (1, 99))
    expected = in_use(told, ((noisy - low) / (high - low)).astype(np.float32))
    np.testing.assert_allclose(denoised, expected, atol=1e-3)
    package = zipfile.ZipFile(packages / "told.zip")
    script = torch.jit.load(io.BytesIO(package.read("weights.pt")))
    np.testing.assert_allclose(script(torch.from_numpy(expected[:, :, :32, :48])),
                               in_use(told, expected[:, :, :32, :48]), atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("name", ["tiny", "paper.like", "told"])
def test_a_package_read_back_gives_the_pixels_of_the_model(tiny, published, told, packages, name):
    model = {"tiny": tiny, "paper.like": published, "told": told}[name]
    image = acquire(fluorescence((224, 256), seed=5), seed=5).noisy.astype(np.float32)
    image = image.clip(*np.percentile(image, (0, 99.5)))  # a package sees hot pixels, ours do not
    settings = {"intensity": "percentile", "noise_level": "blind"}
    scale = np.ptp(np.percentile(image, (1, 99)))
    if name == "paper.like":
        image = np.repeat(10 * image[..., np.newaxis] - 1000, 3, axis=-1)
        settings, scale = {"intensity": "window"}, np.ptp(CTWindow.window)
    options = {"device": "cpu", "check": False, "rgb": name == "paper.like"}
    ours = denoise(image, model, hot_pixels="keep", **settings, **options)
    theirs = denoise(image, packages / f"{name}.zip", **options)
    assert np.abs(ours - image).mean() > 0.01 * scale
    np.testing.assert_allclose(theirs, ours, atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["tiny", "paper.like", "told"])
def test_a_package_run_here_gives_its_own_test_result(name, packages):
    """The zoo's own library gives it too, see above."""
    described = core.load_description(packages / f"{name}.zip")
    noisy = get_test_input_sample(described).members["noisy"].data.to_numpy()[0]
    expected = get_test_output_sample(described).members["denoised"].data.to_numpy()[0]
    scale = 1.0 if name == "paper.like" else np.ptp(np.percentile(noisy, (1, 99)))
    low = 0.0 if name == "paper.like" else np.percentile(noisy, 1)
    given = np.moveaxis(noisy, 0, -1) if len(noisy) == 3 else noisy[0]
    result = denoise(
        given, packages / f"{name}.zip", rgb=len(noisy) == 3, device="cpu", check=False
    )
    result = np.moveaxis(result, -1, 0) if len(noisy) == 3 else result[np.newaxis]
    assert np.abs(result - noisy).mean() > 1
    np.testing.assert_allclose(result, low + scale * expected, atol=1e-4 * np.ptp(noisy))


def test_a_licence_with_an_spdx_identifier_is_given_by_it(packages):
    assert core.load_description(packages / "tiny.zip").license == "BSD-3-Clause"


def test_the_ending_chooses_the_format_or_the_other_way_round(tiny, tiny_file, tmp_path):
    onnx.checker.check_model(export_model(tiny_file, tmp_path / "a", format="onnx"))
    copy = export_model(tiny_file, tmp_path / "c.safetensors")
    assert load(copy).sha256 == tiny.sha256
    package = export_model(tiny_file, tmp_path / "b.zip", authors=["Ada Lovelace"])
    assert core.load_description(package).name == "napari-clip-denoise tiny"
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "b.zip", "c.safetensors"}


@pytest.mark.parametrize("suffix", SUFFIXES.values())
def test_a_file_is_replaced_only_if_allowed(suffix, tiny_file, tmp_path):
    target = tmp_path / f"mine{suffix}"
    target.write_text("a thesis")
    with pytest.raises(OutputError, match=f"mine{suffix} already exists"):
        export_model(tiny_file, target)
    assert target.read_text() == "a thesis"
    written = export_model(tiny_file, target, overwrite=True, authors=["Ada Lovelace"])
    assert written.stat().st_size > len("a thesis")


def test_a_package_without_an_author_says_how_to_name_one_and_nothing_else(told, tmp_path):
    save_model(told, tmp_path / "told.safetensors")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        package = export_model(tmp_path / "told.safetensors", tmp_path / "told.zip")
    kinds = (UserWarning, torch.jit.TracerWarning)
    shown = [str(one.message) for one in found if isinstance(one.message, kinds)]
    assert len(shown) == 1, shown
    assert "--author NAME" in shown[0]
    assert core.load_description(package, perform_io_checks=False).authors == []


def test_what_cannot_be_exported_is_one_sentence(tiny_file, tmp_path):
    with pytest.raises(InputError, match="no format 'keras'; give one of: safetensors, onnx"):
        export_model(tiny_file, tmp_path / "a", format="keras")
    for suffix in SUFFIXES.values():
        with pytest.raises(OutputError, match="could not be written"):
            export_model(tiny_file, tmp_path / "missing" / f"a{suffix}")


def test_without_the_libraries_the_extra_is_named(monkeypatch, tiny_file, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"napari-clip-denoise\[export\]"):
        export_model(tiny_file, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []
