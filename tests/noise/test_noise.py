import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.estimate import estimate_noise
from napari_clip_denoise.noise.jpeg import Jpeg
from napari_clip_denoise.noise.models import (
    CorrelatedGaussian,
    Gaussian,
    Mixture,
    PoissonGaussian,
    Quantised,
    SaltAndPepper,
    Smear,
    Speckle,
    Stripes,
)
from napari_clip_denoise.noise.simulation import STRUCTURES, fluorescence

SHAPE = (300, 300)


@settings(max_examples=20, deadline=None)
@given(level=st.floats(0.05, 1), sigma=st.floats(0.01, 0.5), seed=st.integers(0, 99))
def test_gaussian_noise_has_its_deviation(level, sigma, seed):
    noisy = Gaussian(sigma)(np.full(SHAPE, level, np.float32), default_rng(seed))
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(level, abs=5 * sigma / 300)
    assert noisy.std() == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("correlation", [0.5, 1.0, 2.0])
def test_correlated_noise_has_its_deviation_and_reach(correlation):
    noise = CorrelatedGaussian(0.1, correlation)(np.zeros((3, *SHAPE), np.float32), default_rng(0))
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    measured = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    kernel = gaussian_filter(np.eye(1, 41, 20)[0], correlation)
    expected = (kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()
    assert measured == pytest.approx(expected, abs=0.02)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


@settings(max_examples=20, deadline=None)
@given(fraction=st.floats(0, 1), y=st.floats(0.3, 2), x=st.floats(0.3, 2))
def test_a_smear_keeps_the_mean_and_lessens_noise_as_it_says(fraction, y, x):
    smear = Smear(fraction, (y, x))
    noise = 5 + default_rng(0).standard_normal((2, *SHAPE), np.float32)
    smeared = smear(noise, default_rng(0))
    assert smeared.dtype == np.float32
    assert smeared.mean() == pytest.approx(noise.mean(), abs=1e-4)
    assert smeared.std() == pytest.approx(smear.deviation, rel=0.03)


def test_partly_blurred_noise_has_its_deviation_and_less_correlation():
    def neighbours(fraction):
        noise = CorrelatedGaussian(0.1, 0.8, fraction)(np.zeros(SHAPE, np.float32), default_rng(0))
        assert noise.std() == pytest.approx(0.1, rel=0.03)
        return np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]

    assert abs(neighbours(0)) < 0.02 < neighbours(0.3) < neighbours(1) - 0.1


@settings(max_examples=20, deadline=None)
@given(level=st.floats(0.1, 1), photons=st.floats(1, 1000), read_noise=st.floats(0, 5))
def test_poisson_gaussian_variance_is_linear_in_the_mean(level, photons, read_noise):
    noisy = PoissonGaussian(photons, read_noise)(np.full(SHAPE, level, np.float32), default_rng(0))
    variance = level / photons + (read_noise / photons) ** 2
    assert noisy.mean() == pytest.approx(level, abs=5 * variance**0.5 / 300)
    assert noisy.var() == pytest.approx(variance, rel=0.05)


def test_an_acquisition_is_unbiased_counts():
    taken = acquire(np.full(SHAPE, 0.5, np.float32), photons=40, seed=1)
    assert taken.noisy.dtype == np.uint16
    assert taken.truth[0, 0] == 100 + 8 * (20 + 2)
    assert taken.noisy.mean() == pytest.approx(taken.truth.mean(), rel=0.01)
    assert taken.noisy.std() == pytest.approx(8 * (22 + 1.5**2) ** 0.5, rel=0.03)


@pytest.mark.parametrize("name", list(STRUCTURES))
@pytest.mark.parametrize("shape", [(64, 80), (6, 64, 80)])
def test_structures_are_drawn_by_seed(name, shape):
    image = fluorescence(shape, (name,), seed=5)
    assert image.shape == shape
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert np.quantile(image, 0.999) == pytest.approx(1, rel=0.01)
    assert image.std() > 0.01
    np.testing.assert_array_equal(image, fluorescence(shape, (name,), seed=5))
    assert not np.array_equal(image, fluorescence(shape, (name,), seed=6))


@settings(max_examples=15, deadline=None)
@given(level=st.floats(0.1, 1), sigma=st.floats(0.01, 0.5))
def test_speckle_grows_with_the_value(level, sigma):
    noisy = Speckle(sigma)(np.full(SHAPE, level, np.float32), default_rng(0))
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(level, abs=5 * level * sigma / 300)
    assert noisy.std() == pytest.approx(level * sigma, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(amount=st.floats(0.01, 0.5))
def test_impulses_hit_their_share_at_both_ends(amount):
    noisy = SaltAndPepper(amount)(np.full(SHAPE, 0.3, np.float32), default_rng(0))
    expected = pytest.approx(amount / 2, abs=5 * (amount / 9e4) ** 0.5)
    assert (noisy == 0).mean() == expected
    assert (noisy == 1).mean() == expected
    assert set(np.unique(noisy)) <= {np.float32(0), np.float32(0.3), np.float32(1)}


@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize("correlation", [0.0, 1.5])
def test_stripes_lie_along_their_axis(axis, correlation):
    noise = Stripes(0.1, axis, correlation)(np.zeros((20, *SHAPE), np.float32), default_rng(0))
    along, across = (-1, -2) if axis == "rows" else (-2, -1)
    assert not np.ptp(noise, axis=along).any()
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    line = noise.take(0, along)
    neighbours = np.corrcoef(line[:, 1:].ravel(), line[:, :-1].ravel())[0, 1]
    kernel = gaussian_filter(np.eye(1, 65, 32)[0], correlation) if correlation else np.eye(1, 65)[0]
    expected = (kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()
    assert neighbours == pytest.approx(expected, abs=0.08)
    assert across != along


def test_quantised_values_are_levels():
    noisy = Quantised(4)(np.linspace(-1, 2, 50, dtype=np.float32), default_rng(0))
    np.testing.assert_allclose(np.unique(noisy), [0, 1 / 3, 2 / 3, 1], rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_compression_is_coarser_at_lower_quality_and_keeps_the_shape(channels):
    clean = fluorescence((channels, 61, 83), seed=0).clip(0, 1).astype(np.float32)
    fine, coarse = (Jpeg(quality)(clean, default_rng(0)) for quality in (95, 30))
    assert fine.shape == coarse.shape == clean.shape
    assert fine.dtype == np.float32
    assert 0 < np.abs(fine - clean).mean() < np.abs(coarse - clean).mean() / 1.5
    assert np.corrcoef(fine.ravel(), clean.ravel())[0, 1] > 0.99


def test_a_mixture_acts_in_order():
    clean = np.full(SHAPE, 0.5, np.float32)
    noisy = Mixture((Gaussian(0.1), PoissonGaussian(100)))(clean, default_rng(0))
    assert noisy.var() == pytest.approx(0.01 + 0.5 / 100, rel=0.05)
    last = Mixture((Gaussian(0.1), Quantised(2)))(clean, default_rng(0))
    assert set(np.unique(last)) == {0, 1}


@settings(max_examples=20, deadline=None)
@given(
    gain=st.floats(0.5, 40),
    offset=st.floats(0, 500),
    read_noise=st.floats(0, 3),
    photons=st.floats(5, 200),
)
def test_noise_is_estimated_from_a_noisy_image(gain, offset, read_noise, photons):
    clean = fluorescence((256, 256), ("nuclei", "points"), seed=2)
    taken = acquire(
        clean, photons=photons, background=3, read_noise=read_noise, gain=gain, offset=offset
    )
    found = estimate_noise([taken.noisy])
    values = np.quantile(taken.truth, (0.05, 0.5, 0.95))
    expected = gain * (values - offset) + (gain * read_noise) ** 2
    np.testing.assert_allclose(found.variance(values), expected, rtol=0.5)


def test_too_little_to_estimate_noise_from():
    assert estimate_noise([]) is None
    assert estimate_noise([np.ones((10, 300))]) is None
    assert estimate_noise([np.ones((100, 100))]) is None
    assert estimate_noise([np.full((100, 100), np.nan)]) is None


def test_pixels_that_are_not_finite_do_not_spoil_the_estimate():
    rng = default_rng(0)
    plane = rng.normal(50, 4, (200, 200))
    plane[50:60, 30:90] = np.nan
    plane[3, 4] = np.inf
    assert estimate_noise([plane]).variance(50) == pytest.approx(16, rel=0.1)


@settings(max_examples=30, deadline=None)
@given(
    photons=st.floats(0.5, 500),
    gain=st.floats(0.1, 50),
    offset=st.floats(0, 1000),
    read=st.floats(0, 2),
)
def test_stabilised_noise_has_variance_one_and_an_unbiased_inverse(photons, gain, offset, read):
    transform = AnscombeTransform(gain, (gain * read) ** 2 - gain * offset)
    truth = offset + gain * photons
    light = PoissonGaussian(photons, read)(np.ones(SHAPE), default_rng(0))
    stabilised = transform.forward(offset + gain * photons * light.astype(float))
    if photons + read**2 > 4:
        assert stabilised.std() == pytest.approx(1, abs=0.08)
    assert transform.inverse(stabilised.mean()) == pytest.approx(
        truth, abs=gain * (0.1 + 0.02 * photons)
    )
    assert transform.inverse(transform.expected(truth)) == pytest.approx(truth, abs=0.02 * gain)
