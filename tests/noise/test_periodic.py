import numpy as np
import pytest

from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.correlation import estimate_correlation
from napari_clip_denoise.noise.estimate import estimate_noise
from napari_clip_denoise.noise.models import CorrelatedGaussian
from napari_clip_denoise.noise.periodic import without_periodic
from napari_clip_denoise.noise.simulation import fluorescence

Y, X = np.mgrid[:256, :256]
CHECKER = 2.0 * ((X + Y) % 2) - 1
PATTERNS = {
    "checkers of 1 pixel": CHECKER,
    "checkers of 2 pixels": 2.0 * ((X // 2 + Y // 2) % 2) - 1,
    "checkers of 3 pixels": 2.0 * ((X // 3 + Y // 3) % 2) - 1,
    "lines of 1 pixel": 2.0 * (X % 2) - 1,
    "lines of 3 pixels": 2.0 * (Y // 3 % 2) - 1,
    "squares of 8 pixels": 2.0 * ((X // 8 + Y // 8) % 2) - 1,
    "grating at an angle": np.sign(np.sin(2 * np.pi * (X * np.cos(0.35) + Y * np.sin(0.35)) / 3.3)),
    "waves at an angle": np.sin(2 * np.pi * (0.5 * X + 0.866 * Y) / 2.7),
    "half of the plane": np.where(X < 128, CHECKER, 0),
    "a quarter of the plane": np.where((X < 128) & (Y < 128), CHECKER, 0),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_periodic_texture_is_not_taken_for_noise(name):
    noisy = np.random.default_rng(0).poisson(200 + 100 * PATTERNS[name]).astype("u2")
    estimate = estimate_noise([noisy])
    assert np.sqrt(estimate.variance(200) / 200) == pytest.approx(1, abs=0.25)
    correlation = estimate_correlation([noisy])
    assert abs(correlation.horizontal) < 0.12
    assert abs(correlation.vertical) < 0.12
    (mapping,) = estimate_mapping(as_stack(noisy), "anscombe", "auto").channels
    told = mapping.noise_level(np.array(200.0)) * (mapping.high - mapping.low)
    if mapping.anscombe is None:
        assert told == pytest.approx(np.sqrt(200), rel=0.25)


def test_noise_and_cells_have_no_periodic_structure():
    rng = np.random.default_rng(1)
    planes = [
        rng.normal(0, 1, (200, 300)),
        rng.poisson(0.3, (256, 256)).astype(float),
        CorrelatedGaussian(1.0, 1.2)(np.zeros((256, 256), np.float32), rng),
        rng.poisson(20 + 200 * fluorescence((1, 256, 256), seed=3)[0].clip(0)).astype(float),
        np.full((40, 50), 3.0),
    ]
    for plane in planes:
        assert without_periodic(plane) is plane


def test_hot_pixels_are_not_taken_for_noise():
    plane = np.random.default_rng(0).poisson(200, (256, 256)).astype(np.uint16)
    plane.flat[np.random.default_rng(1).choice(plane.size, 65, replace=False)] = 65535
    plane[0, 100] = 65535
    assert estimate_noise([plane]).variance(200) == pytest.approx(200, rel=0.1)


def test_missing_values_stay_missing_and_long_periods_stay():
    plane = 100 + 50 * CHECKER + np.random.default_rng(0).normal(0, 1, CHECKER.shape)
    plane[:10, :10] = np.nan
    cleaned = without_periodic(plane)
    np.testing.assert_array_equal(np.isnan(cleaned), np.isnan(plane))
    assert np.nanstd(cleaned[40:, 40:]) < 2
    slow = 100 + 50 * np.sin(2 * np.pi * X / 64) + np.random.default_rng(0).normal(0, 1, X.shape)
    assert (without_periodic(slow) - slow).std() < 0.5
    nothing = np.full((30, 30), np.nan)
    assert without_periodic(nothing) is nothing
