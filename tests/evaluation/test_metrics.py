import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_clip_denoise.evaluation.metrics import Protocol, match_affine, psnr, ssim
from napari_clip_denoise.evaluation.registration import REACH, register


@pytest.fixture
def truth():
    return np.random.default_rng(0).random((3, 40, 50))


def test_psnr_is_its_definition(truth):
    assert psnr(truth, truth + 0.1, data_range=1) == pytest.approx(20)
    assert psnr(truth * 5, truth * 5 + 0.5 * np.ptp(truth)) == pytest.approx(20)


def test_ssim_is_one_for_the_truth_and_less_for_noise(truth):
    noise = np.random.default_rng(1).normal(0, 0.2, truth.shape)
    assert ssim(truth, truth) == pytest.approx(1)
    assert 0.1 < ssim(truth, truth + noise) < 0.95


def test_an_affine_match_undoes_gain_and_offset(truth):
    np.testing.assert_allclose(match_affine(truth, 7 * truth - 3), truth)


@pytest.mark.parametrize("drift", [(0, 0), (0.7, 0), (-1.3, 2.1), (3, -2)])
@pytest.mark.parametrize("rgb", [False, True])
def test_a_drift_is_undone_before_the_images_are_compared(drift, rgb):
    rng = np.random.default_rng(0)
    truth = 100 * gaussian_filter(rng.random((3, 80, 90)), (0, 2, 2))
    moved = shift(truth, (0, *drift), order=3, mode="wrap")
    noisy = moved + rng.normal(0, 1, truth.shape)
    expected = psnr(moved, noisy, 255)
    sides = [np.moveaxis(side, 0, -1) if rgb else side for side in (truth, noisy)]
    scores = Protocol(("psnr", "registered_psnr"), data_range=255).score(*sides, rgb=rgb)
    assert scores["registered_psnr"] == pytest.approx(expected, abs=1)
    assert (scores["psnr"] > expected - 0.1) == (drift == (0, 0))


def test_an_image_of_something_else_is_not_moved(truth):
    far = np.roll(truth, 3 * REACH, axis=-1)
    reference, image = register(truth, far)
    np.testing.assert_array_equal(reference, truth[:, 4:-4, 4:-4])
    np.testing.assert_array_equal(image, far[:, 4:-4, 4:-4])
