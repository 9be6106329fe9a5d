import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.residual.check import check_result
from napari_clip_denoise.residual.verdict import Findings, judge

VALUES = np.linspace(100, 900, 33)
SHAPE = (160, 160)


def findings(ratios, **changes):
    values = {
        "n_removed": 0,
        "n_added": 0,
        "spread": 1.0,
        "nearby_correlation": 0.0,
        "far_correlation": 0.0,
        "shift": 0.0,
        "noise_fraction": float(np.median(ratios)),
        "intensities": VALUES,
        "ratios": ratios,
    }
    return Findings(**values | changes)


def ratios_of(ratio, first, last):
    return np.where((first <= VALUES) & (last >= VALUES), ratio, 1.0)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [(700, 900, "above 700"), (100, 300, "below 300"), (400, 600, "from 400 to 600")],
)
def test_it_says_at_which_values_more_than_noise_went(first, last, words):
    is_flagged, verdict = judge(findings(ratios_of(3.14, first, last)))
    assert is_flagged
    assert f"At intensities {words}, the residual has up to 3.1 times the variance" in verdict
    assert "no single place stands out" in verdict
    _, verdict = judge(findings(ratios_of(3.14, first, last), n_removed=2, n_added=1))
    assert verdict.startswith("Structure was removed at 2 places and added at 1 place (marked). At")
    assert words in verdict


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [(700, 900, "above 700"), (100, 300, "below 300"), (400, 600, "from 400 to 600")],
)
def test_it_says_at_which_values_noise_stayed(first, last, words):
    is_flagged, verdict = judge(findings(ratios_of(0.2, first, last)))
    assert not is_flagged
    assert f"but not all of it: at intensities {words}, only 20 %" in verdict


@pytest.mark.parametrize("name", ["nearby_correlation", "far_correlation"])
def test_more_correlation_than_the_noise_has_is_structure_and_no_excess(name):
    everywhere = np.full(33, 4.0)
    is_flagged, verdict = judge(findings(everywhere, **{name: 0.5}))
    assert is_flagged
    assert "structure was removed across the image" in verdict
    assert "times the variance" not in verdict
    is_flagged, verdict = judge(findings(everywhere))
    assert is_flagged
    assert "The residual has 4 times the variance of the noise" in verdict


@pytest.fixture(scope="module")
def taken():
    """A noisy image with its truth."""
    return acquire(fluorescence(SHAPE, seed=1), photons=100, seed=1)


def test_a_blur_leaves_the_noise_upwards_at_bright_values_and_the_truth_does_not(taken):
    blurred = check_result(taken.noisy, gaussian_filter(taken.noisy.astype(float), 3))
    assert blurred.is_flagged
    assert len(blurred.removed)
    assert "(marked). At intensities " in blurred.verdict
    honest = check_result(taken.noisy, taken.truth)
    assert not honest.is_flagged
    assert "times the variance" not in honest.verdict
    assert "not all of it" not in honest.verdict


def test_more_noise_than_there_was_is_flagged(taken):
    noise = np.random.default_rng(0).standard_normal(SHAPE) * np.sqrt(8 * (taken.truth - 100) + 144)
    report = check_result(taken.noisy, taken.truth + 1.5 * noise)
    assert report.is_flagged
    assert "times the variance of the noise" in report.verdict


def test_noise_that_stayed_at_bright_places_is_told(taken):
    is_bright = taken.truth > np.quantile(taken.truth, 0.75)
    report = check_result(taken.noisy, np.where(is_bright, taken.noisy, taken.truth))
    assert not report.is_flagged
    assert "at intensities above" in report.verdict
    assert report.noise_fraction > 0.8
