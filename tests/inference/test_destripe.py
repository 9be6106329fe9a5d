from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference import dask_array
from napari_clip_denoise.noise.simulation import fluorescence

NOISE = 60.0


@pytest.fixture(scope="module")
def scene():
    """Two planes of cells, the same with noise, and with rows that differ as much."""
    rng = np.random.default_rng(0)
    clean = 500 + 1000 * fluorescence((2, 320, 512), seed=1).clip(0, 1)
    noisy = clean + rng.normal(0, NOISE, clean.shape)
    rows = rng.normal(0, NOISE, (2, 320, 1))
    return clean, noisy.round().astype("u2"), (noisy + rows).round().astype("u2")


def lines_left(result, clean):
    """Return the deviation of the rows' mean errors."""
    error = result.astype(float) - clean
    return error.mean(axis=-1).std()


def test_line_noise_of_the_size_of_the_noise_is_reduced_by_70_percent(scene):
    clean, _, striped = scene
    kept, removed = (denoise(striped, device="cpu", destripe=choice) for choice in ("off", "rows"))
    assert removed.dtype == np.uint16
    assert lines_left(removed, clean) < 0.3 * NOISE
    assert lines_left(removed, clean) < 0.95 * lines_left(kept, clean)


def test_an_image_without_line_noise_loses_little(scene):
    clean, noisy, _ = scene
    kept, removed = (denoise(noisy, device="cpu", destripe=choice) for choice in ("off", "rows"))
    errors = [np.square(result - clean).mean() for result in (kept, removed)]
    assert errors[1] - errors[0] < (0.25 * NOISE) ** 2


def test_columns_are_the_rows_of_the_transposed_image(scene):
    clean, _, striped = scene
    settings = {"device": "cpu", "output_dtype": "f4"}
    rows = denoise(striped[0], destripe="rows", **settings)
    turned = denoise(striped[0].T, destripe="columns", **settings)
    assert lines_left(turned.T, clean[0]) < 0.3 * NOISE
    assert np.abs(rows - turned.T).mean() < 0.2 * NOISE


def test_offsets_do_not_depend_on_chunks_or_tiles(scene):
    _, _, striped = scene
    settings = {"device": "cpu", "destripe": "rows", "output_dtype": "f4"}
    whole = denoise(striped, **settings)
    lazy = denoise(da.from_array(striped, chunks=(1, 100, 130)), **settings).compute()
    tiled = denoise(striped, tile=384, **settings)
    np.testing.assert_allclose(lazy, whole, atol=0.05)
    np.testing.assert_allclose(tiled, whole, atol=0.05)


@pytest.mark.parametrize("lines", ["rows", "columns"])
@pytest.mark.parametrize("context", [{}, {"context": 1}, {"context": 1, "context_align": True}])
def test_pieces_of_a_lazy_array_are_those_of_the_whole(told, scene, lines, context, monkeypatch):
    if not context:
        monkeypatch.setattr(dask_array, "WHOLE_PLANE_PIXELS", 100)
        monkeypatch.setattr(dask_array, "BLOCK_SIDE", 200)
    striped = np.concatenate([scene[2], np.roll(scene[2], (3, 2), axis=(1, 2))])[:, :256, :320]
    striped = striped if lines == "rows" else striped.swapaxes(1, 2)
    settings = {"axes": "zyx", "device": "cpu", "destripe": lines, "output_dtype": "f4"} | context
    expected = denoise(striped, told, **settings)
    lazy = denoise(da.from_array(striped, chunks=(1, 100, 130)), told, **settings)
    np.testing.assert_allclose(lazy.compute(), expected, atol=0.05)
    kept = denoise(striped, told, **settings | {"destripe": "off"})
    assert np.abs(kept - expected).max() > 10


def test_padding_is_kept_in_a_lazy_array(tiny, scene):
    padded = scene[2].astype("i2").copy()
    padded[:, :40] = -2000
    stack = replace(as_stack(da.from_array(padded), "zyx"), padding=(-2000.0, -2000.0))
    held = replace(stack, array=padded)
    lazy, whole = (
        denoise(each, tiny, device="cpu", destripe="columns", output_dtype="f4")
        for each in (stack, held)
    )
    np.testing.assert_array_equal(lazy[:, :40].compute(), padded[:, :40])
    np.testing.assert_allclose(lazy.compute(), whole, atol=0.05)


def test_missing_and_hot_pixels_stay_as_they_are(scene):
    image = scene[2][0].astype("f4")
    image[100:110, 30:40] = np.nan
    image[50, 60] = 60_000
    with pytest.warns(UserWarning, match="1 hot or dead pixel was kept"):
        result = denoise(image, device="cpu", destripe="rows")
    assert np.isnan(result[100:110, 30:40]).all()
    assert np.isfinite(result).sum() == image.size - 100
    assert result[50, 60] == 60_000
    np.testing.assert_array_equal(denoise(image, device="cpu", destripe="rows", strength=0), image)


def test_a_wrong_choice_is_one_sentence(scene):
    with pytest.raises(InputError, match="'off', 'rows' or 'columns'"):
        denoise(scene[1], destripe="diagonal")
