import numpy as np
import pytest

from napari_clip_denoise.noise.textures import (
    checker,
    dead_leaves,
    glyphs,
    grating,
    lines,
    texture,
)
from napari_clip_denoise.training.data.extremes import (
    add_hot_pixels,
    add_structures,
    saturate,
    scale,
)
from napari_clip_denoise.training.data.settings import Extremes


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def patch(rng):
    return rng.random((1, 64, 64), np.float32)


def test_nothing_is_extreme_by_default(patch, rng):
    assert add_structures(patch, Extremes(), rng) is patch
    assert add_hot_pixels(patch, Extremes(), rng) is patch
    assert saturate(patch, patch, Extremes(), rng)[0] is patch
    assert scale(Extremes(), rng) == 1


def test_structures_are_rare_and_far_above_the_range(patch, rng):
    settings = Extremes(structures=1, brightness=(10, 10))
    made = [add_structures(patch, settings, rng) - patch for _ in range(60)]
    peaks = [m.max() for m in made]
    assert 3 < np.median(peaks) < 60
    assert all(m.dtype == np.float32 and m.min() >= -1e-5 for m in made)
    assert np.median([(m > 1).mean() for m in made]) < 0.3
    assert len({round(float(p), 2) for p in peaks}) > 20


def test_saturation_clips_both_patches_at_one_value(patch, rng):
    noisy = patch + 0.1 * rng.standard_normal(patch.shape).astype(np.float32)
    clipped, clean = saturate(noisy, patch, Extremes(saturated=1), rng)
    assert clipped.max() == clean.max() < patch.max()
    assert 0.01 < (clean == clean.max()).mean() < 0.45


def test_hot_pixels_are_single_and_in_the_noisy_patch_only(patch, rng):
    settings = Extremes(hot=1, brightness=(50, 50), hot_fraction=(0.01, 0.01))
    noisy = add_hot_pixels(patch, settings, rng)
    changed = noisy != patch
    assert 10 < changed.sum() < 90
    assert set(np.unique(noisy[changed])) == {np.float32(50), patch.min()}


def test_a_whole_patch_is_scaled(rng):
    factors = [scale(Extremes(scaled=1, factor=(1, 20)), rng) for _ in range(200)]
    assert 1 <= min(factors) < 1.5
    assert 12 < max(factors) <= 20


@pytest.mark.parametrize("draw", [checker, grating, lines, glyphs, dead_leaves])
def test_textures_fill_a_plane(draw, rng):
    for _ in range(6):
        plane = draw(48, rng)
        assert plane.shape == (48, 48)
        assert plane.min() >= 0
        assert plane.max() <= 1
        assert plane.std() > 0.02


def test_a_checker_has_squares_of_whole_pixels(rng):
    sides = set()
    for _ in range(40):
        plane = checker(48, rng)
        edges = np.flatnonzero(np.diff(plane[0]))
        side = np.diff(edges)[0]
        assert (np.diff(edges) == side).all()
        assert (np.abs(np.diff(plane[:, 0])) > 0).sum() >= 48 // side - 1
        sides.add(int(side))
    assert sides == {1, 2, 3, 4, 8}


def test_textures_have_many_contrasts(rng):
    planes = [texture(48, rng) for _ in range(40)]
    assert all(p.dtype == np.float32 and p.min() >= -1e-6 and p.max() <= 1 + 1e-6 for p in planes)
    contrasts = [np.ptp(p) for p in planes]
    assert min(contrasts) < 0.25
    assert max(contrasts) > 0.7
