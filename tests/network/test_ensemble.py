import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise import denoise
from napari_clip_denoise.network.inference import ORIENTATIONS, self_ensemble

sizes = st.integers(1, 12)


def turned(array, turns, is_mirrored):
    copy = np.flip(array, -1) if is_mirrored else array
    return np.ascontiguousarray(np.rot90(copy, turns, (-2, -1)))


@given(shape=st.tuples(st.integers(1, 2), st.integers(1, 3), sizes, sizes))
def test_it_averages_what_all_orientations_give(shape):
    def network(batch):
        row = torch.arange(batch.shape[-2]).reshape(-1, 1)
        return batch * 2 + row

    batch = torch.rand(shape)
    height, width = shape[-2:]
    rows, columns = np.mgrid[:height, :width]
    mean_position = (rows + rows[::-1] + columns + columns[:, ::-1]) / 4
    result = self_ensemble(network, batch)
    np.testing.assert_allclose(result, batch.numpy() * 2 + mean_position, rtol=1e-5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).normal(100, 20, (2, 48, 64)).astype(np.float32)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_image_gives_the_turned_result(image, tiny, orientation):
    result = denoise(image, tiny, axes="zyx", device="cpu", self_ensemble=True)
    other = denoise(turned(image, *orientation), tiny, axes="zyx", device="cpu", self_ensemble=True)
    np.testing.assert_allclose(other, turned(result, *orientation), rtol=1e-4)


def test_one_run_depends_on_the_orientation(image, tiny):
    single = denoise(image, tiny, axes="zyx", device="cpu")
    other = denoise(turned(image, 1, False), tiny, axes="zyx", device="cpu")
    assert np.abs(other - turned(single, 1, False)).max() > 1
    ensemble = denoise(image, tiny, axes="zyx", device="cpu", self_ensemble=True)
    assert np.abs(ensemble - single).max() > 1
