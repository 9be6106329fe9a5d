"""The noises of the paper's tests and training against theory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import reference_camera
from napari_clip_denoise.noise import colour_camera
from napari_clip_denoise.noise.colour_camera import (
    LEVELS,
    RGB_TO_XYZ,
    RawCamera,
    bayer,
    demosaic,
    mixed_camera,
    mosaic,
    normalised_rows,
    tone_tables,
)
from napari_clip_denoise.noise.models import MeanFilteredGaussian, ScaledPoisson

SHAPE = (300, 300)


def correlation(noise, dy, dx):
    first, second = noise[dy:, dx:], noise[: SHAPE[0] - dy, : SHAPE[1] - dx]
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


@given(sigma=st.floats(0.01, 0.5), size=st.sampled_from([2, 3, 5]), seed=st.integers(0, 99))
def test_mean_filtered_noise_has_its_deviation_and_autocorrelation(sigma, size, seed):
    clean = np.full(SHAPE, 0.5, np.float32)
    noisy = MeanFilteredGaussian(sigma, size)(clean, np.random.default_rng(seed))
    assert noisy.dtype == np.float32
    noise = noisy - clean
    assert noise.mean() == pytest.approx(0, abs=5 * sigma / 290)
    assert noise[size:-size, size:-size].std() == pytest.approx(sigma / size, rel=0.04)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, size), (size, 0)):
        expected = max(0, 1 - dy / size) * max(0, 1 - dx / size)
        assert correlation(noise, dy, dx) == pytest.approx(expected, abs=0.06)


@given(level=st.integers(90, 160), scale=st.floats(0.1, 1), n_levels=st.sampled_from([2, 4, 8]))
def test_scaled_poisson_noise_has_its_variance(level, scale, n_levels):
    clean = np.full(SHAPE, level / 255, np.float32)
    clean[0, :n_levels] = np.arange(1, n_levels + 1) / 255 + 200 / 255
    photons = 2 ** np.ceil(np.log2(n_levels + 1))
    noisy = ScaledPoisson(scale)(clean, np.random.default_rng(0))[1:]
    assert noisy.dtype == np.float32
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    if scale * np.sqrt(level / 255 / photons) < 0.09:
        assert noisy.mean() == pytest.approx(level / 255, abs=0.002)
        assert noisy.var() == pytest.approx(scale**2 * level / 255 / photons, rel=0.05)


def smooth_picture(seed, shape=(64, 80)):
    rng = np.random.default_rng(seed)
    picture = gaussian_filter(rng.standard_normal((3, *shape)), (0, 8, 8), mode="wrap")
    picture -= picture.min()
    return (0.15 + 0.6 * picture / picture.max()).astype(np.float32)


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_camera_without_noise_gives_the_picture_back(seed, as_published):
    clean = smooth_picture(seed)
    if as_published:
        clean = 0.4 + 0.4 * clean
    taken = RawCamera(0, 0, as_published)(clean, np.random.default_rng(seed))
    assert taken.dtype == np.float32
    errors = np.abs(taken - clean)
    assert np.quantile(errors, 0.9) < 0.02


@given(row=st.integers(0, 1), column=st.integers(0, 1), seed=st.integers(0, 9))
def test_demosaicing_is_exact_for_flat_and_linear_images(row, column, seed):
    flat = np.random.default_rng(seed).uniform(0.1, 0.9, (3, 1, 1)) * np.ones((3, 20, 22))
    counts = [sum(colour == i for _, _, colour in bayer(row, column)) for i in range(3)]
    assert counts == [1, 2, 1]
    raw = mosaic(flat, row, column)
    assert raw[row, column] == flat[0, 0, 0]
    grey = np.mean(flat) * np.linspace(0.2, 1, 22) * np.ones((20, 1))
    found = demosaic(grey, row, column)[:, 3:-3, 3:-3]
    np.testing.assert_allclose(found, np.broadcast_to(grey[3:-3, 3:-3], found.shape), atol=1e-9)
    np.testing.assert_allclose(demosaic(raw, row, column), flat, atol=1e-9)


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("column", [0, 1])
def test_demosaicing_agrees_with_the_reference_up_to_the_border(row, column):
    raw = np.random.default_rng(0).random((21, 24))
    colour = reference_camera.colours(raw.shape, row, column)
    expected = np.moveaxis(reference_camera.demosaic(raw, colour), -1, 0)
    found = demosaic(raw, row, column, "symmetric")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_raw_noise_is_that_of_the_raw_pixel_where_nothing_is_developed(monkeypatch):
    monkeypatch.setattr(colour_camera, "WHITE_BALANCE", (1, 1))
    monkeypatch.setattr(colour_camera, "mixed_camera", lambda _: np.linalg.inv(RGB_TO_XYZ))
    monkeypatch.setattr(colour_camera, "GAMMA", (1, 1))
    monkeypatch.setattr(colour_camera, "CONTRAST", (0, 0))
    clean = np.full((3, *SHAPE), 0.5, np.float32)
    noise = RawCamera(0.04, 0.03)(clean, np.random.default_rng(0)) - clean
    deviations = [noise[i, r::2, c::2].std() for r in (0, 1) for c in (0, 1) for i in (0, 2)]
    assert max(deviations) == pytest.approx(np.hypot(0.04 * 0.5, 0.03), rel=0.02)


def test_developed_noise_is_correlated_between_neighbours_and_grows_in_the_dark():
    clean = np.full((3, *SHAPE), 0.5, np.float32)
    noise = RawCamera(0.04, 0.03)(clean, np.random.default_rng(1)) - clean
    assert correlation(noise[0], 0, 1) > 0.2
    assert abs(correlation(noise[0], 0, 9)) < 0.05
    assert 0.02 < noise.std() < 0.2
    assert abs(noise.mean()) < 0.02
    dark = RawCamera(0.04, 0.03)(clean - 0.3, np.random.default_rng(1)) - clean + 0.3
    assert dark.std() > noise.std()


def test_the_published_camera_has_the_strength_of_the_reference(monkeypatch):
    monkeypatch.setattr(colour_camera, "GAMMA", (2.2, 2.2))
    monkeypatch.setattr(colour_camera, "CONTRAST", (0, 0))
    found = {"published": [], "once": [], "reference": []}
    for seed in range(24):
        clean = smooth_picture(seed, (128, 128))
        rng = np.random.default_rng(seed)
        expected = reference_camera.noisy(np.moveaxis(clean, 0, -1).astype(float), rng)
        for name, noisy in (
            ("published", RawCamera(0.04, 0.03, as_published=True)(clean, rng)),
            ("once", RawCamera(0.04, 0.03)(clean, rng)),
            ("reference", np.moveaxis(expected, -1, 0)),
        ):
            found[name].append(-10 * np.log10(np.square(noisy - clean).mean()))
    means = {name: np.mean(values) for name, values in found.items()}
    assert means["published"] == pytest.approx(means["reference"], abs=0.2)
    assert means["once"] > means["published"] + 4


def test_equal_values_stay_equal_and_tones_rise():
    matrix = normalised_rows(mixed_camera(np.array([1, 2, 3, 4.0])))
    np.testing.assert_allclose(matrix @ np.ones(3), 1)
    for srgb in (False, True):
        to_linear, to_tones = tone_tables(2.2, 0.5, srgb=srgb)
        for table in (to_linear, to_tones):
            assert (table[0], table[-1]) == (0, 1)
            assert np.all(np.diff(table) > 0)
        there = to_linear[np.arange(0, LEVELS + 1, 16)]
        back = to_tones[np.rint(there**0.25 * LEVELS).astype(int)]
        np.testing.assert_allclose(back, np.linspace(0, 1, 256), atol=1e-3)
