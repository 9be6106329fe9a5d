"""Shifts between planes, as they are measured."""

import numpy as np
import pytest
from scipy.ndimage import shift as moved_by

from napari_clip_denoise.images.intensity import ChannelMapping, IntensityMapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.measured.drift import MOST, SIDE, Drift
from napari_clip_denoise.noise.simulation import fluorescence

UNIT = IntensityMapping((ChannelMapping(0.0, 1.0),))
STEP = np.array([0.9, -0.6])


def noisy(clean, sigma=50 / 255, seed=0):
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


def drifting(n_planes=3, side=192, step=STEP, seed=6):
    wide = fluorescence((side + 80, side + 80), seed=seed)
    planes = [moved_by(wide, step * t, order=3)[40:-40, 40:-40] for t in range(n_planes)]
    return np.stack(planes)


def drift_of(planes, axes="tyx", mapping=UNIT):
    return Drift(as_stack(planes, axes), mapping)


@pytest.mark.parametrize("seed", range(3))
def test_the_shift_of_noisy_planes_is_found(seed):
    drift = drift_of(noisy(drifting(seed=seed), seed=seed))
    for own, other in ((0, 1), (1, 0), (0, 2)):
        found = drift.between((own,), (other,))
        np.testing.assert_allclose(found, STEP * (other - own), atol=0.2)


def test_the_way_back_is_the_same():
    drift = drift_of(noisy(drifting()))
    there, back = drift.between((0,), (2,)), drift.between((2,), (0,))
    assert there == tuple(-step for step in back)


@pytest.mark.parametrize("seed", range(4))
def test_unrelated_planes_have_no_shift(seed):
    planes = [fluorescence((192, 192), ("nuclei", "filaments"), seed=s) for s in (seed, seed + 9)]
    assert drift_of(noisy(np.stack(planes))).between((0,), (1,)) == (0, 0)


@pytest.mark.parametrize(("sigma", "side"), [(0, 192), (0.1, 192), (0.2, 384)])
def test_planes_that_stand_still_have_none(sigma, side):
    still = np.stack([fluorescence((side, side), seed=2)] * 2)
    assert drift_of(noisy(still, sigma)).between((0,), (1,)) == (0, 0)


@pytest.mark.parametrize("planes", [np.zeros((2, 64, 64)), np.ones((2, 3, 5)), np.ones((2, 1, 1))])
def test_planes_without_structure_have_none(planes):
    assert drift_of(planes).between((0,), (1,)) == (0, 0)


def test_large_shifts_are_found_up_to_a_limit():
    for step in (MOST - 1, MOST + 4):
        found = drift_of(noisy(drifting(2, step=np.array([0, step])))).between((0,), (1,))
        expected = (0, step) if step < MOST else (0, 0)
        np.testing.assert_allclose(found, expected, atol=0.2)


def test_missing_and_hot_pixels_do_not_hold_planes_in_place():
    planes = noisy(drifting(2), 0.1)
    planes[:, 20:30, 30:50] = np.nan
    rng = np.random.default_rng(1)
    planes[:, rng.integers(60, 180, 100), rng.integers(60, 180, 100)] = 60
    np.testing.assert_allclose(drift_of(planes).between((0,), (1,)), STEP, atol=0.2)


def test_each_channel_has_its_own_mapping_and_colours_are_joined():
    planes = noisy(drifting(2), 0.1)
    both = np.stack([planes, 1000 * planes[::-1]])
    mapping = IntensityMapping((ChannelMapping(0.0, 1.0), ChannelMapping(0.0, 1000.0)))
    drift = drift_of(both, "ctyx", mapping)
    np.testing.assert_allclose(drift.between((0, 0), (0, 1)), STEP, atol=0.2)
    np.testing.assert_allclose(drift.between((1, 0), (1, 1)), -STEP, atol=0.2)
    colours = drift_of(np.stack([planes] * 3, axis=-1), "tyxs")
    np.testing.assert_allclose(colours.between((0,), (1,)), STEP, atol=0.2)


def test_only_the_middle_of_each_plane_is_read_and_once():
    read = []

    class Lazy:
        shape, dtype, ndim = (40, 4096, 4096), np.dtype("uint16"), 3

        def __getitem__(self, index):
            sizes = tuple(part.stop - part.start for part in index)
            read.append(np.prod(sizes))
            return np.zeros(sizes, self.dtype)

    drift = drift_of(Lazy())
    for own in range(1, 39):
        drift.between((own,), (own - 1,))
        drift.between((own,), (own + 1,))
    assert sum(read) == 40 * SIDE**2
