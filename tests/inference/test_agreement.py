import numpy as np
import pytest

from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.neighbours.agreement import (
    agreement_in_words,
    measure_agreement,
)
from napari_clip_denoise.noise.simulation import fluorescence


def noisy(clean):
    return clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_planes_with_the_same_structure_agree(sigma):
    plane = fluorescence((128, 128), seed=1)
    rng = np.random.default_rng(0)
    stack = as_stack(np.stack([plane] * 4) + rng.normal(0, sigma, (4, 128, 128)), "tyx")
    found = measure_agreement(stack)
    assert found == pytest.approx(1, abs=0.05)
    assert agreement_in_words(found, "t").startswith("Neighbouring planes along t look alike:")


def test_unrelated_planes_do_not():
    stack = as_stack(noisy(np.stack([fluorescence((128, 128), seed=s) for s in range(4)])), "zyx")
    found = measure_agreement(stack)
    assert found == pytest.approx(0, abs=0.2)
    assert "hardly" in agreement_in_words(found, "z")


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
