import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.estimate import estimate_noise


def photons(rate, shape=(256, 256), seed=0):
    return np.random.default_rng(seed).poisson(rate, shape).astype("u2")


@pytest.mark.parametrize("rate", [0.1, 0.3, 1, 3])
def test_the_mean_of_few_photons_is_kept(rate):
    counts = photons(rate)
    result = denoise(counts, device="cpu", output_dtype="float32")
    assert result.mean() == pytest.approx(counts.mean(), rel=0.01)
    assert result.std() < 0.3 * counts.std()


def test_a_dim_spot_keeps_its_light():
    y, x = np.mgrid[:256, :256]
    spot = np.hypot(y - 128, x - 128)
    counts = photons(0.04 + 2 * np.exp(-(spot**2) / 200), None)
    result = denoise(counts, device="cpu", output_dtype="float32")
    around = spot < 60
    assert result[around].sum() == pytest.approx(counts[around].sum(), rel=0.05)
    assert result[spot < 4].mean() > 1


def test_parts_of_a_plane_agree():
    counts = photons(0.5, (400, 400))
    options = {"device": "cpu", "output_dtype": "float32"}
    tiled = denoise(counts, tile=384, **options)
    np.testing.assert_allclose(tiled, denoise(counts, **options), atol=5e-3)


def test_whole_numbers_are_warned_of():
    with pytest.warns(UserWarning, match="choose float32"):
        denoise(photons(0.5, (64, 64)), device="cpu")


@pytest.mark.parametrize(("low", "high", "few"), [(0, 3, True), (100, 104, True), (0, 40, False)])
def test_only_few_counts_are_kept_so(low, high, few):
    y = np.linspace(low, high, 128)[:, None] * np.ones(128)
    counts = low + np.random.default_rng(0).poisson(y - low)
    (mapping,) = estimate_mapping(as_stack(counts.astype("u2")), "anscombe").channels
    assert mapping.keeps_mean is few


@pytest.mark.parametrize("rate", [0.1, 1, 10, 1000])
def test_a_flat_image_has_noise_of_its_variance(rate):
    found = estimate_noise([photons(rate).astype(float)])
    assert found.gain == 0
    assert found.intercept == pytest.approx(rate, rel=0.2)
