import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.trust.reference import score
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.models import CorrelatedGaussian
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.residual.check import check_result
from napari_clip_denoise.residual.statistics import LAGS

SHAPE = (160, 160)
LEVELS = [(10, 100), (30, 100), (100, 100), (30, 1000), (300, 1000)]


@pytest.fixture(scope="module")
def clean():
    """Clean planes by seed."""
    return {seed: fluorescence(SHAPE, seed=seed) for seed in range(6)}


def taken(clean, seed, photons=30.0, offset=100.0):
    return acquire(clean[seed], photons=photons, offset=offset, seed=seed)


@pytest.mark.parametrize(("photons", "offset"), LEVELS)
@pytest.mark.parametrize("seed", range(6))
def test_the_truth_is_trusted_and_a_blur_is_not(clean, seed, photons, offset):
    image = taken(clean, seed, photons, offset)
    honest = check_result(image.noisy, image.truth)
    assert not honest.is_flagged, honest.verdict
    assert "looks like pure noise and has " in honest.verdict
    assert honest.noise_fraction == pytest.approx(1, abs=0.25)
    blurred = check_result(image.noisy, gaussian_filter(image.noisy.astype(float), 4))
    assert blurred.is_flagged
    assert "Structure was removed" in blurred.verdict
    assert len(blurred.removed) > 0


def test_a_point_that_was_removed_is_found_where_it_was(clean):
    image = taken(clean, 0, photons=50)
    denoised = image.truth.copy()
    y, x = np.unravel_index(np.argmax(denoised), SHAPE)
    window = (slice(max(0, y - 4), y + 5), slice(max(0, x - 4), x + 5))
    denoised[window] = np.median(denoised)
    report = check_result(image.noisy, denoised)
    assert np.abs(report.removed - (0, y, x)).max(axis=1).min() <= 3
    assert len(report.added) == 0
    assert report.verdict.startswith("Structure was removed at 1 place (marked)")


def test_a_point_that_was_invented_is_found_too(clean):
    image = taken(clean, 1)
    denoised = (
        image.truth
        + 200 * gaussian_filter(np.eye(1, 160 * 160, 70 * 160 + 50).reshape(SHAPE), 2) * 25
    )
    report = check_result(image.noisy, denoised)
    assert np.abs(report.added[0] - (0, 70, 50)).max() <= 3
    assert "added at 1 place" in report.verdict


def test_too_little_is_said_to_be_too_little(clean):
    image = taken(clean, 2)
    half = 0.5 * image.noisy + 0.5 * image.truth
    report = check_result(image.noisy, half)
    assert not report.is_flagged
    assert report.noise_fraction == pytest.approx(0.25, abs=0.06)
    assert "% of the noise was removed" in report.verdict


def test_correlated_noise_is_no_structure(clean):
    truth = 200 + 100 * clean[3]
    noisy = CorrelatedGaussian(20, 0.8)(truth, np.random.default_rng(0))
    report = check_result(noisy, truth)
    assert len(report.removed) == len(report.added) == 0
    assert not report.is_flagged, report.verdict
    assert report.noise_fraction == pytest.approx(1, abs=0.25)


def test_the_curve_is_the_noise(clean):
    image = taken(clean, 4, photons=100)
    report = check_result(image.noisy, image.truth)
    expected = 8 * (report.intensities - 100) + (8 * 1.5) ** 2
    np.testing.assert_allclose(report.variances, expected, rtol=0.35)
    assert report.noise.gain == pytest.approx(8, rel=0.3)
    assert abs(report.image_correlation) < 0.05
    assert report.autocorrelation.shape == (2 * LAGS + 1,) * 2
    assert report.autocorrelation[LAGS, LAGS] == 1
    assert report.findings.nearby_correlation < 0.05


def test_planes_are_counted_apart(clean):
    images = [taken(clean, seed) for seed in range(3)]
    noisy = np.stack([image.noisy for image in images])
    denoised = np.stack([image.truth for image in images])
    denoised[2] = gaussian_filter(noisy[2].astype(float), 4)
    report = check_result(noisy, denoised)
    assert set(report.removed[:, 0]) == {2}
    np.testing.assert_allclose(report.residual, noisy - denoised, rtol=1e-6)


def test_a_reference_gives_scores(clean):
    image = taken(clean, 5)
    good = score(image.truth, image.noisy, image.truth + 1)
    assert good["PSNR denoised"] > 45 > good["PSNR noisy"]
    assert good["SSIM denoised"] == pytest.approx(1, abs=1e-3)
    dimmed = score(image.truth, image.noisy, 0.5 * image.truth + 7)
    assert dimmed["PSNR denoised"] < 40 < dimmed["scale-invariant PSNR denoised"]
    assert dimmed["scale-invariant SSIM denoised"] == pytest.approx(1)
    drifted = score(image.truth, image.noisy, np.roll(image.truth, 2, axis=-1))
    assert drifted["registered PSNR denoised"] > drifted["PSNR denoised"] + 10


@settings(max_examples=25)
@given(
    st.sampled_from(["uint8", "uint16", "float32"]),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["constant", "noise", "nan", "saturated"]),
)
def test_any_image_has_a_verdict(dtype, shape, kind):
    noisy = np.random.default_rng(0).integers(20, 200, shape).astype(dtype)
    if kind == "constant":
        noisy[:] = 7
    elif kind == "saturated" and dtype != "float32":
        noisy[:] = np.iinfo(dtype).max
    elif kind == "nan" and dtype == "float32":
        noisy[0, 0] = np.nan
    report = check_result(noisy, noisy)
    assert report.verdict
    assert not report.is_flagged
    assert np.isfinite(report.residual).all()


def test_images_of_different_size_are_refused():
    with pytest.raises(InputError, match="differ in size"):
        check_result(np.zeros((9, 9)), np.zeros((9, 8)))
