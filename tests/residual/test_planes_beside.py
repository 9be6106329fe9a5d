"""Structure of neighbouring planes that shows through in a result."""

import numpy as np
import pytest
from scipy.ndimage import shift as moved_by

from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.residual.check import check_result
from napari_clip_denoise.residual.neighbours import planes_beside

SIGMA = 0.1
SHAPE = (128, 128)


def planes_of(seeds):
    return np.stack([fluorescence(SHAPE, ("nuclei", "filaments"), seed=seed) for seed in seeds])


def noisy_of(clean):
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    return (clean + noise).astype(np.float32)


def around(noisy, reach=1, shift_to=None):
    stack = as_stack(noisy, "zyx")
    regions = [(slice(z, z + 1), *whole(SHAPE)) for z in range(len(noisy))]
    return np.stack([planes_beside(stack, region, 0, reach, shift_to) for region in regions])


def by_steps(step):
    """The shift between planes of a stack that drifts by a step a plane."""
    return lambda own, other: tuple(float(along) * (other[0] - own[0]) for along in step)


def mixed(planes, weight):
    """Each plane with a weight of all others on each side together."""
    return (1 - weight) * planes + weight * around(planes.astype(np.float32))


@pytest.fixture(scope="module")
def unrelated():
    return planes_of(range(20, 25))


@pytest.fixture(scope="module")
def alike():
    return np.repeat(planes_of([3]), 5, axis=0) * np.linspace(1, 0.8, 5)[:, None, None]


@pytest.mark.parametrize("weight", [0.15, 0.3, 2 / 3])
def test_what_was_mixed_in_is_measured(unrelated, weight):
    noisy = noisy_of(unrelated)
    report = check_result(noisy, mixed(unrelated, weight), around(noisy))
    assert report.findings.leak == pytest.approx(weight, abs=0.05)
    assert report.is_flagged
    assert f"{100 * report.findings.leak:.0f} % of the difference was mixed in" in report.verdict


@pytest.mark.parametrize("which", ["unrelated", "alike"])
def test_nothing_is_said_where_only_independent_noise_was_removed(request, which):
    clean = request.getfixturevalue(which)
    noisy = noisy_of(clean)
    report = check_result(noisy, clean, around(noisy))
    assert report.findings.leak == 0
    assert not report.is_flagged
    kept = clean + 0.3 * (mixed(noisy, 2 / 3) - mixed(clean, 2 / 3))
    assert check_result(noisy, kept, around(noisy)).findings.leak == 0


def test_a_loss_of_own_structure_is_not_blamed_on_the_neighbours(unrelated):
    noisy = noisy_of(unrelated)
    report = check_result(noisy, 0.7 * unrelated, around(noisy))
    assert report.is_flagged
    assert report.findings.leak == 0
    assert "before and after" not in report.verdict


def test_without_neighbours_nothing_is_looked_for(unrelated):
    noisy = noisy_of(unrelated)
    assert check_result(noisy, unrelated).findings.leak is None
    assert np.isnan(around(noisy[:1])).all()
    assert check_result(noisy[:1], unrelated[:1], around(noisy[:1])).findings.leak == 0
    gaps = around(noisy)
    gaps[:, 30:90, 30:90] = np.nan
    report = check_result(noisy, mixed(unrelated, 0.3), gaps)
    assert report.findings.leak == pytest.approx(0.3, abs=0.05)


def drifting(step, n_planes=5, margin=50):
    wide = fluorescence([side + 2 * margin for side in SHAPE], ("nuclei", "filaments"), seed=8)
    inside = slice(margin, -margin)
    return np.stack(
        [moved_by(wide, np.multiply(step, t), order=3)[inside, inside] for t in range(n_planes)]
    )


@pytest.mark.parametrize("step", [(6, -4), (2.5, 0.4)])
def test_a_moved_neighbour_shows_what_the_plane_does(step):
    planes = drifting(step)
    beside = around(planes.astype(np.float32), shift_to=by_steps(step))
    known = np.isfinite(beside)
    assert known[2, 20:-20, 20:-20].all()
    assert not known[2].all()
    np.testing.assert_allclose(beside[known], planes[known], atol=0.02)


def test_a_moved_neighbour_is_unknown_around_missing_pixels():
    planes = drifting((1.5, 0))
    planes[3, 60, 60] = np.nan
    beside = around(planes.astype(np.float32), shift_to=by_steps((1.5, 0)))[2]
    assert np.isnan(beside[58, 60])
    assert np.isfinite(beside[50, 60])
    inside = np.isfinite(beside)
    np.testing.assert_allclose(beside[inside], planes[2][inside], atol=0.02)


def test_neighbours_that_were_moved_are_found_where_they_show_through():
    step = (6, -4)
    drift = drifting(step)
    clean = drift + 0.5 * planes_of(range(20, 25))
    noisy = noisy_of(clean)
    moved = around(clean.astype(np.float32), shift_to=by_steps(step))
    mixed_in = np.where(np.isfinite(moved), 0.8 * clean + 0.2 * moved, clean)
    ways = np.stack([around(noisy), around(noisy, shift_to=by_steps(step))])
    assert check_result(noisy, mixed_in, ways[0]).findings.leak == 0
    report = check_result(noisy, mixed_in, ways)
    assert report.findings.leak == pytest.approx(0.2, abs=0.05)
    assert report.is_flagged
    assert check_result(noisy, clean, ways).findings.leak == 0
