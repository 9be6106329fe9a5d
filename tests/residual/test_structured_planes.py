"""Check of planes so full of structure that the noise of neighbouring pixels cannot be measured."""

import warnings
from importlib.resources import files

import numpy as np
import pytest
import tifffile

from napari_clip_denoise import denoise
from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.residual.check import check_result
from napari_clip_denoise.residual.verdict import Findings, judge

SAMPLE = files("napari_clip_denoise.gui") / "sample_images" / "nuclear_envelopes.ome.tif"
FULL = 5
"""The plane where rings of nuclear envelopes lie in every block."""


@pytest.fixture(scope="module")
def envelopes():
    """Nuclear envelopes (14, 224, 305), uint8, and the denoised stack."""
    noisy = tifffile.imread(str(SAMPLE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return noisy, denoise(noisy)


def test_the_check_of_a_run_knows_the_noise_of_all_planes(envelopes):
    noisy, denoised = envelopes
    (mapping,) = estimate_mapping(as_stack(noisy, "zyx"), "anscombe", "auto").channels
    report = check_result(noisy[FULL], denoised[FULL], None, mapping.noise)
    assert not report.is_flagged
    assert report.noise_fraction == pytest.approx(0.85, abs=0.25)


def test_a_removed_ring_is_found_all_the_same(envelopes):
    noisy, denoised = envelopes
    (mapping,) = estimate_mapping(as_stack(noisy, "zyx"), "anscombe", "auto").channels
    lost = denoised[FULL].copy()
    lost[60:100, 60:100] = np.median(lost)
    assert check_result(noisy[FULL], lost, None, mapping.noise).is_flagged


@pytest.mark.parametrize(
    ("high", "is_flagged"), [([3], False), ([7], True), ([3, 4], True), ([], False)]
)
def test_one_bin_of_correlated_noise_is_no_excess_but_the_brightest_is(high, is_flagged):
    ratios = np.ones(8)
    ratios[high] = 3.0
    findings = Findings(0, 0, 0.5, 0.0, 0.0, 0.0, 1.0, np.arange(8.0), ratios)
    assert judge(findings)[0] == is_flagged
