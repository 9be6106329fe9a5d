import numpy as np
import pytest
from scipy.ndimage import shift

from napari_clip_denoise.images.intensity import ChannelMapping, IntensityMapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.measured.drift import Drift
from napari_clip_denoise.inference.engine.neighbours.agreement import (
    Agreement,
    agreement_in_words,
    measure_agreement,
)
from napari_clip_denoise.noise.simulation import fluorescence

UNIT = IntensityMapping((ChannelMapping(0.0, 1.0),))


def noisy(clean, sigma=0.1):
    return clean + np.random.default_rng(0).normal(0, sigma, clean.shape)


def drifting(step, seed=6, n_planes=5, side=192, margin=60):
    wide = fluorescence((side + 2 * margin, side + 2 * margin), seed=seed)
    inside = slice(margin, -margin)
    steps = np.arange(n_planes) - n_planes // 2
    moved = [shift(wide, np.multiply(step, t), order=3)[inside, inside] for t in steps]
    return np.stack(moved)


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_planes_with_the_same_structure_agree(sigma):
    plane = fluorescence((128, 128), seed=1)
    rng = np.random.default_rng(0)
    stack = as_stack(np.stack([plane] * 4) + rng.normal(0, sigma, (4, 128, 128)), "tyx")
    found = measure_agreement(stack)
    assert found.correlation == pytest.approx(1, abs=0.05)
    assert found.drift == 0
    assert agreement_in_words(found, "t").startswith("Neighbouring planes along t look alike:")


def test_unrelated_planes_do_not():
    stack = as_stack(noisy(np.stack([fluorescence((128, 128), seed=s) for s in range(4)])), "zyx")
    found = measure_agreement(stack)
    assert found.correlation == pytest.approx(0, abs=0.2)
    assert found.drift == 0
    assert "hardly" in agreement_in_words(found, "z")


@pytest.mark.parametrize("step", [(0.9, -0.6), (3, 2.5), (-12, 0)])
def test_planes_that_drift_agree_once_they_are_aligned(step):
    stack = as_stack(noisy(drifting(step)), "tyx")
    found = measure_agreement(stack)
    assert found.drift == pytest.approx(np.hypot(*step), abs=0.2)
    assert found.correlation == pytest.approx(1, abs=0.05)
    words = agreement_in_words(found, "t")
    assert f"along t drift by about {np.hypot(*step):.2g} pixels and look alike once" in words
    assert "'Align planes' is likely to help" in words


def test_a_single_jump_is_no_drift():
    plane = fluorescence((200, 200), seed=3)
    stack = as_stack(noisy(np.stack([plane] * 4 + [np.roll(plane, 4, axis=0)])), "tyx")
    found = measure_agreement(stack)
    assert found.drift == 0
    assert found.correlation < 0.99
    assert "Align" not in agreement_in_words(found, "t")


def test_what_does_not_drift_along_is_seen_after_the_shift():
    others = np.stack([fluorescence((192, 192), ("nuclei", "filaments"), seed=s) for s in range(5)])
    found = measure_agreement(as_stack(noisy(drifting((4, 5)) + 0.5 * others), "tyx"))
    assert found.drift == pytest.approx(np.hypot(4, 5), abs=0.4)
    assert 0.5 < found.correlation < 0.9
    assert "partly alike once they are aligned" in agreement_in_words(found, "t")


def test_a_shift_that_hardly_helps_is_no_drift():
    still = np.stack([fluorescence((192, 192), ("membranes",), seed=4)] * 5)
    stack = as_stack(noisy(0.6 * still + drifting((3, 0)), 0.02), "tyx")
    pair = stack.array[:2]
    assert Drift(as_stack(pair, "tyx"), UNIT).between((0,), (1,)) != (0, 0)
    assert measure_agreement(stack).drift == 0


def test_a_drift_that_does_not_help_is_said():
    words = agreement_in_words(Agreement(0.3, 2.04), "t")
    assert words.startswith("Neighbouring planes along t drift by about 2 pixels and differ even")
    assert "hardly help" in words


def test_nothing_is_said_without_neighbours_or_structure():
    assert measure_agreement(as_stack(noisy(np.zeros((64, 64))), "yx")) is None
    assert measure_agreement(as_stack(noisy(np.zeros((1, 64, 64))), "zyx")) is None
    assert measure_agreement(as_stack(noisy(np.zeros((4, 64, 64))), "zyx")) is None
    assert measure_agreement(as_stack(noisy(np.zeros((3, 64, 64))), "cyx")) is None
    assert agreement_in_words(None, "z") == ""


def test_only_a_small_sample_is_read():
    read = []

    class Lazy:
        shape, dtype, ndim = (2000, 4096, 4096), np.dtype("uint16"), 3

        def __getitem__(self, index):
            sizes = tuple(part.stop - part.start for part in index)
            read.append(np.prod(sizes))
            return np.zeros(sizes, self.dtype)

    measure_agreement(as_stack(Lazy(), "tyx"))
    assert sum(read) <= 8 * 256 * 256
