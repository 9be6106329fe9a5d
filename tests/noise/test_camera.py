import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.images.channel_sample import ChannelSample
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.noise.correlation import REACH, NoiseCorrelation, estimate_correlation
from napari_clip_denoise.noise.estimate import NoiseVariance, estimate_noise
from napari_clip_denoise.noise.models import CorrelatedGaussian, Gaussian
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(0)
    return gaussian_filter((rng.random((400, 400)) > 0.998) * 30.0, 2).astype(np.float32)


def lines(strength):
    """Noise that is the same in pixels side by side, but for a share."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((400, 402))
    return white[:, 1:-1] + strength * (white[:, :-2] + white[:, 2:])


def test_white_noise_is_found_white(clean):
    noisy = Gaussian(0.1)(clean, np.random.default_rng(0))
    found = estimate_correlation([noisy])
    assert found.is_white
    assert abs(found.horizontal) < 0.05
    assert found.wide == pytest.approx(1, abs=0.3)
    assert found.seen_by_high_pass == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("width", [0.5, 0.7, 1.0])
def test_correlation_and_variance_of_blurred_noise(clean, width):
    noisy = CorrelatedGaussian(0.2, width)(clean, np.random.default_rng(0))
    truth = CorrelatedGaussian(1, width)(np.zeros((999, 999)), np.random.default_rng(1))
    found = estimate_correlation([noisy])
    assert found.is_of_noise
    expected = (truth[:, 1:] * truth[:, :-1]).mean()
    assert found.horizontal == pytest.approx(expected, abs=0.06)
    assert found.vertical == pytest.approx(expected, abs=0.06)
    estimate = estimate_noise([noisy])
    variance = estimate.variance(noisy.mean()) / found.seen_by_high_pass
    assert variance == pytest.approx(0.04, rel=0.25)
    means = truth[:990, :990].reshape(33, 30, 33, 30).mean((1, 3))
    assert found.wide == pytest.approx(900 * means.var(), rel=0.35)
    assert ChannelSample(as_stack(noisy)).noise(None).wide == pytest.approx(found.wide, rel=0.01)


@pytest.mark.parametrize("density", [0.03, 0.1])
@pytest.mark.parametrize("width", [1.0, 1.5, 2.0])
def test_dense_spots_are_no_correlated_noise(density, width):
    rng = np.random.default_rng(0)
    shape = (4, 256, 256)
    points = (rng.random(shape) < density) * rng.uniform(0.5, 1, shape)
    spots = gaussian_filter(points, (0, width, width))
    noisy = spots / np.quantile(spots, 0.999) + 0.06 * rng.standard_normal(shape)
    assert estimate_correlation(noisy).horizontal > 0.5
    found = ChannelSample(as_stack(noisy.astype(np.float32))).noise(None)
    assert found.variance(np.median(noisy)) ** 0.5 == pytest.approx(0.06, rel=0.05)


def test_direction_and_reach_of_lines(clean):
    found = estimate_correlation([clean + 0.2 * lines(0.5)])
    assert found.extent == (0, 2)
    turned = estimate_correlation([(clean + 0.2 * lines(0.5)).T])
    assert turned.extent == (2, 0)


def test_coloured_noise_has_the_correlation_it_was_made_by():
    found = estimate_correlation([lines(0.5)])
    made = found.colour(np.random.default_rng(0).standard_normal((3, 500, 500), np.float32))
    assert made.std() == pytest.approx(1, abs=0.02)
    for dy, dx in ((0, 1), (0, 2), (1, 0)):
        measured = (made[:, dy:, dx:] * made[:, : 500 - dy, : 500 - dx]).mean()
        assert measured == pytest.approx(found.table[REACH + dy, REACH + dx], abs=0.03)


@pytest.mark.filterwarnings("error")
def test_planes_that_are_clipped_everywhere_tell_nothing_of_shot_noise():
    clipped = (np.random.default_rng(0).random((400, 400)) > 0.5).astype(np.float32)
    assert estimate_correlation([clipped], NoiseVariance(1.0, 0.0)) is None


def test_too_few_blocks_tell_nothing():
    assert estimate_correlation([np.zeros((400, 400))]) is None
    assert estimate_correlation([np.full((400, 400), np.nan)]) is None
    assert estimate_correlation([np.random.default_rng(0).random((20, 20))]) is None


def test_a_camera_made_by_estimate_is_as_noisy_as_the_real_one():
    taken = acquire(fluorescence((300, 300), seed=2), gain=8, offset=100, read_noise=1.5, seed=0)
    noise = CameraNoise.from_estimate(estimate_noise([taken.noisy.astype(float)]))
    assert noise.gain == pytest.approx(8, rel=0.1)
    again = noise(taken.truth, np.random.default_rng(0)) - taken.truth
    real = taken.noisy - taken.truth
    for dim in (True, False):
        part = (taken.truth < np.median(taken.truth)) == dim
        assert again[part].var() == pytest.approx(real[part].var(), rel=0.1)


def test_correlated_camera_noise_keeps_its_variance(clean):
    noise = CameraNoise(2.0, 100, 3.0, estimate_correlation([lines(0.5)]))
    bright = np.full((400, 400), 300.0)
    made = noise(bright, np.random.default_rng(0)) - bright
    assert made.var() == pytest.approx(noise.variance(np.array(300.0)), rel=0.05)
    assert (made[:, 1:] * made[:, :-1]).mean() > 0.4 * made.var()
    assert "correlated" in noise.describe()
    assert "white" in CameraNoise(2.0).describe()
    assert NoiseCorrelation.white().is_white
