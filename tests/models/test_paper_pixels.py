"""A published checkpoint gives the pixels of the authors' network, at default settings."""

import warnings

import numpy as np
import pytest
import torch
import zarr
from PIL import Image
from typer.testing import CliRunner

import reference
from napari_clip_denoise import denoise, import_published, load
from napari_clip_denoise.cli.app import app
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.models.export.onnx import Portable
from napari_clip_denoise.models.library import install

SMALL = {"layers": (1, 2, 1, 1), "width": 8}


@pytest.fixture(scope="module", params=[3, 1], ids=["rgb", "ct"])
def published(request, tmp_path_factory):
    """State of a small checkpoint with random weights, and the model imported from it."""
    state = reference.random_checkpoint(request.param, **SMALL)
    path = tmp_path_factory.mktemp("published") / "net_g_latest.pth"
    torch.save({"params": state}, path)
    return state, import_published(path, name="paper")


def picture(shape, dtype=np.uint8):
    """A noisy picture that contains both ends of its type."""
    rng = np.random.default_rng(3)
    coarse = rng.random((*(-(-side // 16) for side in shape[:2]), *shape[2:]))
    smooth = coarse.repeat(16, axis=0).repeat(16, axis=1)[: shape[0], : shape[1]]
    noisy = (smooth + 0.2 * rng.standard_normal(shape)).clip(0, 1)
    return np.rint(noisy * np.iinfo(dtype).max).astype(dtype)


def hounsfield(shape):
    """A CT slice with metal and padding, far outside the window."""
    slice_ = (picture((*shape, 1))[..., 0] * 16.0 - 1100).astype(np.int16)
    slice_[3:6, 4:8] = 12000
    slice_[-4:] = -3024
    return slice_


def expected_of(state, image):
    """Return what the reference makes of a picture or a CT slice, on the scale of its values."""
    if image.dtype == np.uint8:
        return 255 * reference.denoise(state, image.astype(np.float32) / 255)
    unit = (image.astype(np.float32) + 1024) / 4096
    return 4096 * reference.denoise(state, unit.clip(0, 1)) - 1024


def image_for(state, side=(90, 70)):
    return hounsfield(side) if "first.weight" in state else picture((*side, 3))


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(clips values|cut into tiles)")
        return denoise(*arguments, device="cpu", **options)


def test_default_settings_give_the_references_result_whole(published):
    state, model = published
    image = image_for(state)
    expected = expected_of(state, image)
    assert expected.std() > 0.05 * np.ptp(expected)
    result = quietly(image, model, rgb=image.ndim == 3)
    assert result.dtype == image.dtype
    assert np.abs(result - expected).max() <= 0.51
    exact = quietly(image, model, rgb=image.ndim == 3, output_dtype="float32")
    scale = 255 if image.ndim == 3 else 4096
    np.testing.assert_allclose(exact / scale, expected / scale, atol=2e-5)


def test_a_picture_above_a_megapixel_is_not_cut(published):
    state, model = published
    image = image_for(state, (1060, 1010))
    result = quietly(image, model, rgb=image.ndim == 3)
    assert np.abs(result - expected_of(state, image)).max() <= 0.51


def test_only_large_planes_are_tiled(published):
    _, model = published
    for shape, n_tiles in (((1356, 2040), 1), ((2100, 2100), 9)):
        job = prepare(as_stack(np.zeros(shape, np.uint8)), model, make_settings(device="cpu"))
        assert len(job.rows) * len(job.columns) == n_tiles


def test_tiles_are_mentioned(published):
    state, model = published
    image = image_for(state, (400, 300))
    with pytest.warns(UserWarning, match="cut into tiles, and with 'paper' the result of a tile"):
        denoise(image, model, rgb=image.ndim == 3, tile=256, device="cpu")


@pytest.mark.parametrize("self_ensemble", [False, True])
def test_values_outside_0_and_1_do_not_leak_through(published, self_ensemble):
    state, model = published
    rng = np.random.default_rng(1)
    shape = (64, 96, 3) if "first.weight" not in state else (64, 96)
    noisy = (rng.random(shape) + 0.5 * rng.standard_normal(shape)).astype(np.float32)
    noisy[10, 10] = 40
    noisy[40:44, 50:60] = -3
    options = {"rgb": len(shape) == 3, "intensity": (0.0, 1.0), "self_ensemble": self_ensemble}
    result = quietly(noisy, model, **options)
    assert result.min() >= -1e-5
    assert result.max() <= 1 + 1e-5
    if not self_ensemble:
        expected = reference.denoise(state, noisy.clip(0, 1))
        np.testing.assert_allclose(result, expected, atol=2e-5)


def test_the_picture_is_the_same_from_a_file_a_store_and_lazily(published, tmp_path):
    dask_array = pytest.importorskip("dask.array")
    state, model = published
    if model.card.network.channels == 1:
        pytest.skip("files of CT are DICOM and NIfTI, tested elsewhere")
    image = picture((90, 70, 3))
    install(model)
    Image.fromarray(image).save(tmp_path / "noisy.png")
    for name in ("clean.png", "clean.ome.zarr"):
        paths = [str(tmp_path / "noisy.png"), str(tmp_path / name)]
        done = CliRunner().invoke(app, ["denoise", *paths, "-m", "paper", "--device", "cpu"])
        assert done.exit_code == 0, done.output
    results = [
        np.asarray(Image.open(tmp_path / "clean.png")),
        np.moveaxis(zarr.open_array(tmp_path / "clean.ome.zarr" / "0", mode="r")[:], 0, -1),
        quietly(dask_array.from_array(image, chunks=40), model, rgb=True).compute(),
        quietly(image, "paper", rgb=True),
    ]
    expected = expected_of(state, image)
    for result in results:
        assert np.abs(result - expected).max() <= 0.51


def test_values_that_are_clipped_are_mentioned(published):
    _, model = published
    counts = np.random.default_rng(0).uniform(0, 4000, (64, 64)).astype(np.float32)
    with pytest.warns(UserWarning, match="'paper' clips values to the range from"):
        denoise(counts, model, device="cpu", check=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        denoise(counts, model, device="cpu", intensity="minmax", check=False)


def test_an_exported_network_clips_as_the_reference(published):
    state, model = published
    shape = (64, 96, 3) if "first.weight" not in state else (64, 96)
    noisy = np.random.default_rng(2).uniform(-0.5, 1.5, shape).astype(np.float32)
    batch = noisy.transpose(2, 0, 1)[None] if noisy.ndim == 3 else noisy[None, None]
    with torch.inference_mode():
        result = Portable(model)(torch.from_numpy(batch)).numpy()
    expected = reference.denoise(state, noisy.clip(0, 1))
    result = result[0].transpose(1, 2, 0) if noisy.ndim == 3 else result[0, 0]
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_the_card_says_what_was_imported(published):
    _, model = published
    install(model, overwrite=True)
    card = load("paper").card
    assert card.intensity == ("dtype" if card.network.channels == 3 else "window")
    assert (card.clamp, card.clip_input, card.pad_multiple) == (True, True, 32)
