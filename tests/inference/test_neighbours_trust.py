"""What the bundled model does with events, moving spots, cuts and unrelated planes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise import denoise, load
from napari_clip_denoise.noise.simulation import fluorescence

SIGMA = 0.1
SIDE = 96
SHAPE = (SIDE, SIDE)


@pytest.fixture(scope="module")
def compact():
    return load("compact")


@pytest.fixture(scope="module")
def cells():
    return 0.6 * fluorescence(SHAPE, ("nuclei", "filaments"), seed=5)


def denoised(planes, model, context, seed=0):
    noise = np.random.default_rng(seed).normal(0, SIGMA, (len(planes), *SHAPE))
    noisy = (np.stack(planes) + noise).astype(np.float32)
    options = {"axes": "tyx", "intensity": (0.0, 1.0), "noise_level": SIGMA, "device": "cpu"}
    return denoise(noisy, model, context=context, check=False, **options)


def spots(peak, moved=0):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    squared = (rows % 24 - 12) ** 2 + ((columns - moved) % 24 - 12) ** 2
    return peak * SIGMA * np.exp(-squared / (2 * 1.5**2))


def brightness(found, moved=0):
    """Mean brightness of spots by least squares, in sigmas."""
    template = spots(1, moved)
    return float((found * template).sum() / np.square(template).sum())


def test_an_event_of_one_plane_keeps_what_the_plane_model_keeps(compact, cells):
    kept = {}
    for context in (0, 1):
        with_event, without = (
            denoised([cells, cells + event, cells], compact, context)[1] for event in (spots(3), 0)
        )
        kept[context] = brightness(with_event - without)
    assert kept[0] > 2
    assert kept[1] > kept[0]


@pytest.mark.parametrize(("peak", "most"), [(3, 0.025), (5, 0.01)])
def test_a_faint_spot_of_the_neighbours_leaves_hardly_a_ghost(compact, cells, peak, most):
    found = []
    for seed in range(3):
        with_spots, without = (
            denoised([cells + event, cells, cells + event], compact, 1, seed)[1]
            for event in (spots(peak), 0)
        )
        found.append(brightness(with_spots - without) / peak)
    assert abs(np.mean(found)) < most


@pytest.mark.parametrize("peak", [10, 40])
def test_a_moving_spot_keeps_its_place_and_brightness_and_leaves_no_ghost(compact, cells, peak):
    there = denoised([cells + spots(peak, m) for m in (-12, 0, 12)], compact, 1)[1]
    without = denoised([cells] * 3, compact, 1)[1]
    alone = denoised([cells, cells + spots(peak), cells], compact, 1)[1]
    plane = [denoised([cells + event] * 3, compact, 0)[1] for event in (spots(peak), 0)]
    expected = brightness(plane[0] - plane[1])
    assert expected == pytest.approx(peak, rel=0.03)
    assert brightness(there - without) == pytest.approx(expected, rel=0.02)
    for moved in (-12, 12):
        assert abs(brightness(there - alone, moved)) < 0.02 * peak


def test_a_cut_between_scenes_stays_a_cut(compact, cells):
    other = 0.6 * fluorescence(SHAPE, ("membranes",), seed=9)
    scenes = [cells, cells, cells, other, other, other]
    both = denoised(scenes, compact, 1)
    first = denoised(scenes[:3], compact, 1)
    for found, clean in ((both, scenes), (first, scenes[:3])):
        assert np.square(found - np.stack(clean)).mean() < 0.1 * SIGMA**2
    assert np.square(both[2] - cells).mean() < 1.05 * np.square(first[2] - cells).mean()


def test_planes_that_have_nothing_in_common_lose_nothing(compact):
    planes = [fluorescence(SHAPE, ("nuclei", "filaments"), seed=seed) for seed in range(20, 25)]
    errors = [np.square(denoised(planes, compact, k) - np.stack(planes)).mean() for k in (0, 1)]
    assert 10 * np.log10(errors[1] / errors[0]) < 0.02


def test_faint_smooth_planes_that_have_nothing_in_common_lose_hardly_anything(compact):
    """Such as sky or out-of-focus light, whose structure is far below the noise of a pixel."""
    rng = np.random.default_rng(3)
    fields = [gaussian_filter(rng.normal(size=SHAPE), 12, mode="wrap") for _ in range(5)]
    planes = [0.4 + 0.3 * SIGMA * field / field.std() for field in fields]
    errors = [np.square(denoised(planes, compact, k) - np.stack(planes)).mean() for k in (0, 1)]
    assert 10 * np.log10(errors[1] / errors[0]) < 0.25
