import dask.array as da
import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
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
