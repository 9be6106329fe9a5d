import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.models import CorrelatedGaussian, Gaussian, PoissonGaussian
from napari_clip_denoise.noise.simulate import STRUCTURES, fluorescence

SHAPE = (300, 300)


@settings(max_examples=20, deadline=None)
@given(level=st.floats(0.05, 1), sigma=st.floats(0.01, 0.5), seed=st.integers(0, 99))
def test_gaussian_noise_has_its_deviation(level, sigma, seed):
    noisy = Gaussian(sigma)(np.full(SHAPE, level, np.float32), np.random.default_rng(seed))
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(level, abs=5 * sigma / 300)
    assert noisy.std() == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("correlation", [0.5, 1.0, 2.0])
def test_correlated_noise_has_its_deviation_and_reach(correlation):
    noise = CorrelatedGaussian(0.1, correlation)(
        np.zeros((3, *SHAPE), np.float32), np.random.default_rng(0)
    )
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    measured = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    kernel = gaussian_filter(np.eye(1, 41, 20)[0], correlation)
    expected = (kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()
    assert measured == pytest.approx(expected, abs=0.02)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


@settings(max_examples=20, deadline=None)
@given(level=st.floats(0.1, 1), photons=st.floats(1, 1000), read_noise=st.floats(0, 5))
def test_poisson_gaussian_variance_is_linear_in_the_mean(level, photons, read_noise):
    model = PoissonGaussian(photons, read_noise)
    noisy = model(np.full(SHAPE, level, np.float32), np.random.default_rng(0))
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
