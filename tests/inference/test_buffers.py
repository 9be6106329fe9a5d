import numpy as np

from napari_clip_denoise.inference.engine.buffers import Scratch


def test_what_was_given_back_is_lent_again():
    scratch = Scratch()
    first = scratch.lend((3, 4, 5), np.float32)
    other = scratch.lend((3, 4, 5), np.float32)
    assert not np.shares_memory(first, other)
    scratch.take_back(first[..., np.newaxis])
    smaller = scratch.lend((2, 4, 5), np.uint16)
    assert np.shares_memory(first, smaller)
    assert smaller.shape == (2, 4, 5)
    assert smaller.dtype == np.uint16
    assert not np.shares_memory(other, scratch.lend((3, 4, 5), np.float32))


def test_the_smallest_that_is_large_enough_is_lent():
    scratch = Scratch()
    large, small = scratch.lend((100,), np.uint16), scratch.lend((10,), np.uint16)
    scratch.take_back(large)
    scratch.take_back(small)
    assert np.shares_memory(scratch.lend((10,), np.uint16), small)


def test_an_array_of_another_origin_is_left_alone():
    scratch = Scratch()
    own = np.zeros(12, np.uint8)
    scratch.take_back(own)
    assert not np.shares_memory(own, scratch.lend((12,), np.uint8))


def test_what_is_given_back_twice_is_lent_once():
    scratch = Scratch()
    array = scratch.lend((12,), np.uint8)
    scratch.take_back(array)
    scratch.take_back(array)
    assert not np.shares_memory(scratch.lend((12,), np.uint8), scratch.lend((12,), np.uint8))
