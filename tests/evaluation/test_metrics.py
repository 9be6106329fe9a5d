import numpy as np
import pytest

from napari_clip_denoise.evaluation.metrics import match_affine, psnr, ssim


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
