import numpy as np

from napari_clip_denoise.inference.scratch import Scratch


def test_what_was_given_back_is_lent_again():
    scratch = Scratch()
    first = scratch.lend((3, 4, 5))
    other = scratch.lend((3, 4, 5))
    assert not np.shares_memory(first, other)
    scratch.take_back(first[..., np.newaxis])
    smaller = scratch.lend((2, 4, 5))
    assert np.shares_memory(first, smaller)
    assert smaller.shape == (2, 4, 5)
    assert not np.shares_memory(other, scratch.lend((3, 4, 5)))


def test_an_array_of_another_origin_is_left_alone():
    scratch = Scratch()
    own = np.zeros((3, 4), np.float32)
    scratch.take_back(own)
    assert not np.shares_memory(own, scratch.lend((3, 4)))
