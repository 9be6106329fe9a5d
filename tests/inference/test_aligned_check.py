"""Checks of results whose neighbours were moved by a drift."""

import numpy as np
import pytest
import torch
from scipy.ndimage import shift as moved_by

from napari_clip_denoise.evaluation.trust.sample import Pair, check_sample
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_memory
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.network import fusion
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.residual import windows

STEP, SIDE, MARGIN = (6, -4), 128, 30


@pytest.fixture(scope="module")
def clean():
    """Cells that drift far, and others that are seen in a single plane."""
    wide = fluorescence((SIDE + 2 * MARGIN,) * 2, seed=6)
    inside = slice(MARGIN, -MARGIN)
    drift = [moved_by(wide, np.multiply(STEP, t), order=3)[inside, inside] for t in range(4)]
    alone = [fluorescence((SIDE, SIDE), ("nuclei",), seed=seed) for seed in range(20, 24)]
    return (0.7 * np.stack(drift) + 0.4 * np.stack(alone)).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(clean):
    return (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).astype(np.float32)


def weigh_moved(own, other, variance, wide):
    """Count a little what was moved, wherever it is known, and nothing else."""
    weight = 0.35 * torch.ones_like(own.structure)
    if other.moved is not None:
        weight = 0 * weight
    return weight if other.known is None else weight * other.known, 8 * weight


def test_a_run_says_that_moved_neighbours_show_through(noisy, monkeypatch):
    monkeypatch.setitem(windows.PIXELS_PER_CHECKED, "cpu", 1)
    settings = make_settings(
        device="cpu", context=1, context_align=True, noise_level=0.1, model="compact"
    )

    def verdict():
        found = []
        denoise_to_memory(as_stack(noisy, "tyx"), settings, on_checked=found.append)
        return found[0]

    assert "show through" not in verdict().sentence
    monkeypatch.setattr(fusion, "weigh", weigh_moved)
    assert "the planes before and after show through" in verdict().sentence


def test_a_pair_is_compared_with_moved_neighbours_if_they_were(clean, noisy):
    mixed = clean.copy()
    for t in range(1, 4):
        before = moved_by(clean[t - 1], STEP, order=3, mode="nearest")
        mixed[t] += 0.2 * (before - clean[t])
    regions = [(slice(t, t + 1), *whole((SIDE, SIDE))) for t in range(4)]

    def leak(result, align):
        pair = Pair(as_stack(noisy, "tyx"), as_stack(result, "tyx"), (0, 0, 0), context=1)
        pair = Pair(**{**vars(pair), "context_align": align})
        return check_sample(pair, regions).report.findings.leak

    assert leak(mixed, align=True) > 0.1
    assert leak(mixed, align=False) < leak(mixed, align=True)
    assert leak(clean, align=True) == 0
