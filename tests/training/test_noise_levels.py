import numpy as np
import pytest

from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.data.noise_levels import level_factors, told_level
from napari_clip_denoise.training.data.noise_synthesis import corrupt
from napari_clip_denoise.training.data.settings import Noise, NoiseLevel

REPEATS = 60
SURE = NoiseLevel(unknown=0, mean=0, wrong=0)


@pytest.fixture(scope="module")
def clean():
    return (0.2 + 0.6 * fluorescence((1, 64, 64), seed=1).clip(0, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "further"),
    [
        ("gaussian", {}),
        ("gaussian", {"maps": 1.0}),
        ("faint", {"faint_sigma": (0.02, 0.02)}),
        ("correlated", {"correlation": (0.8, 0.8), "p_partial": 1.0}),
        ("poisson_gaussian", {}),
        ("poisson_gaussian", {"p_blur": 1.0}),
        ("stabilised", {}),
        ("stabilised", {"p_blur": 1.0}),
        ("speckle", {}),
        ("tomographic", {"cutoff": (0.3, 0.3)}),
    ],
)
def test_the_level_is_the_standard_deviation_of_the_noise(clean, kind, further):
    """Measured over repeats of the noise at each pixel, whose settings are the same each time."""
    settings = {"gaussian": 0.0, kind: 1.0, "sigma": (0.1, 0.1), "photons": (40.0, 40.0)}
    fixed = {"background": (0.1, 0.1), "read_noise": (1.0, 1.0), "blur_fraction": (0.5, 0.5)}
    noise = Noise(**settings, **fixed, blur_width=(0.7, 0.7), streaks=(0.0, 0.0), **further)
    if "maps" in further or further.get("p_partial"):
        ratios = []
        for seed in range(REPEATS):
            noisy, level, target = corrupt(clean, noise, np.random.default_rng(seed))
            ratios.append(np.square((noisy - target) / level).mean())
        assert np.sqrt(np.mean(ratios)) == pytest.approx(1, rel=0.03)
        return
    draws = [corrupt(clean, noise, np.random.default_rng(seed)) for seed in range(REPEATS)]
    errors = np.stack([noisy - target for noisy, _, target in draws])
    level = draws[0][1]
    assert level.shape == (1, 64, 64)
    assert level.dtype == np.float32
    measured = errors.std(axis=0)
    assert measured.mean() == pytest.approx(level.mean(), rel=0.05)
    bright = clean > np.quantile(clean, 0.8)
    assert measured[bright].mean() == pytest.approx(level[bright].mean(), rel=0.06)


def test_stripes_and_impulses_are_not_counted(clean):
    noise = Noise(sigma=(0.1, 0.1), stripes=1, stripe_ratio=(1, 1), salt_and_pepper=1)
    noisy, level, target = corrupt(clean, noise, np.random.default_rng(0))
    np.testing.assert_allclose(level, 0.1, rtol=1e-6)
    assert (noisy - target).std() > 0.13


def test_stripes_may_be_as_strong_as_the_noise(clean):
    noise = Noise(sigma=(0.04, 0.04), stripes=1, stripe_ratio=(1.5, 1.5))
    sizes = []
    for seed in range(40):
        noisy, _, target = corrupt(clean, noise, np.random.default_rng(seed))
        sizes.append(max((noisy - target).mean(axis=axis).std() for axis in (1, 2)))
    assert np.sqrt(np.mean(np.square(sizes))) == pytest.approx(0.06, rel=0.15)


def test_the_level_of_camera_noise_is_that_of_the_whole_patch():
    colour = np.full((3, 64, 64), 0.5, np.float32)
    noise = Noise(gaussian=0, camera=1, camera_strength=(0.3, 0.3))
    noisy, level, target = corrupt(colour, noise, np.random.default_rng(0))
    assert np.ptp(level) == 0
    assert level.mean() == pytest.approx((noisy - target).std(), rel=0.1)


def test_levels_vary_smoothly_or_in_steps():
    maps = [level_factors((64, 64), np.random.default_rng(seed)) for seed in range(40)]
    assert all(m.shape == (64, 64) and m.dtype == np.float32 for m in maps)
    assert all((m > 0).all() and m.max() <= 1.5 for m in maps)
    in_steps = [len(np.unique(m)) <= 2 for m in maps]
    assert 8 < sum(in_steps) < 32
    ranges = [m.max() / m.min() for m in maps]
    assert np.median(ranges) > 1.5


def test_the_network_is_told_nothing_the_mean_or_a_wrong_level():
    level = np.linspace(0.1, 0.3, 64, dtype=np.float32).reshape(1, 8, 8)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(told_level(level, SURE, rng), level)
    assert np.isnan(told_level(level, NoiseLevel(unknown=1), rng)).all()
    mean = told_level(level, NoiseLevel(unknown=0, mean=1, wrong=0), rng)
    np.testing.assert_allclose(mean, np.sqrt(np.square(level).mean()), rtol=1e-5)
    wrong = NoiseLevel(unknown=0, mean=0, wrong=1, error=(0.5, 2.0))
    factors = [np.unique((told_level(level, wrong, rng) / level).round(4)) for _ in range(40)]
    assert all(len(f) <= 2 for f in factors)
    assert 0.5 <= min(f.min() for f in factors) < 0.8
    assert 1.25 < max(f.max() for f in factors) <= 2


def test_an_unknown_level_is_told_in_the_given_share():
    level = np.full((1, 4, 4), 0.1, np.float32)
    rng = np.random.default_rng(1)
    told = [np.isnan(told_level(level, NoiseLevel(unknown=0.2), rng)).all() for _ in range(1000)]
    assert np.mean(told) == pytest.approx(0.2, abs=0.04)
