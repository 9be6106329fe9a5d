"""Which planes are averaged: those that agree, and never those that move."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.network.fusion import (
    MARGIN,
    GuidedPlane,
    agreement,
    fuse,
)
from napari_clip_denoise.noise.simulation import fluorescence

SIGMA = 0.1
SIDE = 128


def guided(clean, seed):
    """A noisy plane, and a guide whose error has a variance of 1 % of the noise's."""
    rng = np.random.default_rng(seed)
    noise, error = rng.normal(0, SIGMA, (2, *clean.shape)).astype(np.float32)
    noisy, guide = (
        torch.from_numpy((clean + part).astype(np.float32))[None] for part in (noise, 0.1 * error)
    )
    return GuidedPlane.of(noisy, guide)


def fused(*planes):
    """Fuse the second plane with the first and third; return the mean and the level in sigmas."""
    before, own, after = (guided(plane, seed) for seed, plane in enumerate(planes))
    level = torch.full((1, *own.noisy.shape[1:]), SIGMA)
    change, left = fuse(own, [before, after], level, 0.02)
    return (own.noisy + change)[0].numpy(), left[0].numpy() / SIGMA


def spots(peak, moved=0):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    squared = (rows % 24 - 12) ** 2 + ((columns - moved) % 24 - 12) ** 2
    return peak * np.exp(-squared / (2 * 1.5**2))


def amplitude(found, template):
    """Mean brightness of spots, by least squares."""
    return (found * template).sum() / np.square(template).sum()


@pytest.fixture(scope="module")
def cells():
    return fluorescence((SIDE, SIDE), ("nuclei", "filaments"), seed=3)


def test_planes_that_agree_count_in_full(cells):
    mean, level = fused(cells, cells, cells)
    assert np.median(level) == pytest.approx(3**-0.5, abs=0.02)
    assert np.std(mean - cells) == pytest.approx(SIGMA * np.sqrt(np.mean(level**2)), rel=0.1)


def test_noise_that_pixels_share_is_not_taken_for_events(cells):
    """Blurred by 0.7 pixels, noise has 6.2 times the variance of white noise in wide means."""
    planes = []
    for seed in range(3):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=cells.shape), 0.7)
        noisy = cells + SIGMA * noise / noise.std()
        guide = guided(cells, seed).guide
        planes.append(GuidedPlane.of(torch.from_numpy(noisy.astype(np.float32))[None], guide))
    level = torch.full((1, SIDE, SIDE), SIGMA)
    before, own, after = planes
    told, untold = (
        fuse(own, [before, after], level, 0.02, wide)[1].median() / SIGMA for wide in (6.2, 1.0)
    )
    assert told == pytest.approx(3**-0.5, abs=0.04)
    assert untold > 0.65


def test_the_noise_that_is_left_is_told(cells):
    moved = np.roll(cells, 7, axis=1)
    clean = np.concatenate([cells[:64], moved[64:]])
    mean, level = fused(clean, cells, clean)
    inner = slice(16, 48)
    assert np.std((mean - cells)[inner]) == pytest.approx(SIGMA * level[inner].mean(), rel=0.15)
    assert level[:48].mean() < level[80:].mean()


def test_what_differs_does_not_count():
    planes = [fluorescence((SIDE, SIDE), ("nuclei", "filaments"), seed=seed) for seed in (5, 6, 7)]
    mean, _ = fused(*planes)
    change = np.abs(mean - guided(planes[1], 1).noisy[0].numpy())
    differ = np.minimum(*(np.abs(plane - planes[1]) for plane in (planes[0], planes[2])))
    assert differ.max() > 5 * SIGMA
    assert change[differ > 2 * SIGMA].max() < 0.1 * SIGMA


def test_a_cut_stays_a_cut(cells):
    other = fluorescence((SIDE, SIDE), ("membranes",), seed=9)
    _, last_before = fused(cells, cells, other)
    assert np.median(last_before) == pytest.approx(2**-0.5, abs=0.02)


def without_noise(*planes):
    """Fuse planes whose noise is always the same, and subtract what they are without a spot."""
    still = [np.full((SIDE, SIDE), 0.3)] * 3
    with_spot = fused(*(base + plane for base, plane in zip(still, planes, strict=True)))[0]
    return with_spot - fused(*still)[0]


@pytest.mark.parametrize("peak", [3, 10, 40])
def test_an_event_of_one_plane_keeps_its_brightness(peak):
    event = spots(peak * SIGMA)
    kept = without_noise(0 * event, event, 0 * event)
    assert amplitude(kept, spots(1)) > 0.9 * peak * SIGMA


@pytest.mark.parametrize("peak", [5, 10])
def test_a_spot_that_the_guides_miss_leaves_no_ghost(peak):
    """Its matched filter is 5 or 10 deviations of the noise high, if not more."""
    still = np.full((SIDE, SIDE), 0.3)
    own, missed, empty = (guided(still, seed) for seed in (0, 1, 1))
    missed = replace(missed, noisy=missed.noisy + torch.from_numpy(spots(peak * SIGMA)).float())
    level = torch.full((1, SIDE, SIDE), SIGMA)
    with_spots, without = (fuse(own, [other], level, 0.02)[0] for other in (missed, empty))
    ghost = amplitude((with_spots - without)[0].numpy(), spots(1))
    assert abs(ghost) < 0.1 * peak * SIGMA


def test_faint_and_wide_differences_stay_those_of_the_plane():
    """Guides that are right within a third of the noise cannot see them, and a mean would move."""
    columns = np.arange(SIDE) / SIDE
    tilted = np.full((SIDE, SIDE), 0.3) + 0.4 * SIGMA * columns
    still = np.full((SIDE, SIDE), 0.3)
    noisy = guided(still, 1).noisy[0].numpy()
    change = fused(tilted, still, tilted)[0] - noisy
    expected = fused(still, still, still)[0] - noisy
    assert np.abs(expected).std() > 0.3 * SIGMA
    bias = (change - expected).mean(0)[SIDE // 4 : -SIDE // 4].reshape(-1, 8).mean(1)
    assert np.abs(bias).max() < 0.03 * SIGMA


def test_small_holes_in_the_weights_do_not_show_in_the_level():
    """A network could take a spot in the level for one in the image."""
    still = np.full((SIDE, SIDE), 0.3)
    event = spots(10 * SIGMA)
    _, level = fused(event + still, still, event + still)
    inner = level[24:-24, 24:-24]
    assert 3**-0.5 < inner.mean() < 0.97
    assert np.ptp(inner) < 0.15


@pytest.mark.parametrize("peak", [10, 40])
def test_a_moving_spot_keeps_its_place_and_leaves_no_ghost(peak):
    found = without_noise(*(spots(peak * SIGMA, moved) for moved in (-12, 0, 12)))
    assert amplitude(found, spots(1)) == pytest.approx(peak * SIGMA, rel=0.03)
    assert abs(amplitude(found, spots(1, moved=12))) < 0.02 * peak * SIGMA


def test_filled_values_of_a_neighbour_do_not_count(cells):
    own, other = guided(cells, 0), guided(cells, 1)
    known = torch.ones(1, SIDE, SIDE)
    known[:, 20:40, 20:40] = 0
    other = GuidedPlane(other.noisy, other.guide, known, other.structure)
    weight = agreement(own, other, torch.full((1, SIDE, SIDE), SIGMA**2))
    assert (weight[:, 20:40, 20:40] == 0).all()
    assert weight[:, 60:].mean() > 0.9


def test_at_each_pixel_the_place_of_a_neighbour_that_agrees_counts(cells):
    """The upper half has drifted, the lower one stands still."""
    drifted = np.roll(cells, 7, axis=1)
    clean = np.concatenate([drifted[:64], cells[64:]])
    own, other = guided(cells, 0), guided(clean, 1)
    back = guided(np.roll(clean, -7, axis=1), 2)
    level = torch.full((1, SIDE, SIDE), SIGMA)
    _, alone = fuse(own, [other], level, 0.02)
    change, both = fuse(own, [replace(other, moved=back)], level, 0.02)
    full = SIGMA / 2**0.5
    assert both.median() == pytest.approx(full, rel=0.02)
    assert both[:, :40].mean() < alone[:, :40].mean() - 0.005
    np.testing.assert_allclose(both[:, 88:], alone[:, 88:], atol=0.006)
    error = (own.noisy + change)[0].numpy() - cells
    assert error[:56].std() == pytest.approx(full, rel=0.1)
    assert error[72:].std() == pytest.approx(full, rel=0.1)


def test_nothing_beyond_the_margin_matters(cells):
    planes = [guided(np.tile(cells, (5, 1)), seed) for seed in (0, 1)]
    level = torch.full((1, 5 * SIDE, SIDE), SIGMA)
    expected = fuse(planes[0], planes[1:], level, 0.02)
    cut = slice(2 * SIDE - MARGIN, 3 * SIDE + MARGIN)
    parts = [GuidedPlane.of(plane.noisy[:, cut], plane.guide[:, cut]) for plane in planes]
    found = fuse(parts[0], parts[1:], level[:, cut], 0.02)
    for part, whole in zip(found, expected, strict=True):
        part, whole = part[:, MARGIN:-MARGIN], whole[:, 2 * SIDE : 3 * SIDE]
        torch.testing.assert_close(part, whole, atol=1e-5, rtol=0)
