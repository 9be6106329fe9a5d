import numpy as np

from napari_clip_denoise.inference.engine.buffers import Scratch


def test_what_was_given_back_is_lent_again():
    scratch = Scratch()
    first = scratch.acquire((3, 4, 5), np.float32)
    other = scratch.acquire((3, 4, 5), np.float32)
    assert not np.shares_memory(first, other)
    scratch.release(first[..., np.newaxis])
    smaller = scratch.acquire((2, 4, 5), np.uint16)
    assert np.shares_memory(first, smaller)
    assert smaller.shape == (2, 4, 5)
    assert smaller.dtype == np.uint16
    assert not np.shares_memory(other, scratch.acquire((3, 4, 5), np.float32))


def test_the_smallest_that_is_large_enough_is_lent():
    scratch = Scratch()
    large, small = scratch.acquire((100,), np.uint16), scratch.acquire((10,), np.uint16)
    scratch.release(large)
    scratch.release(small)
    assert np.shares_memory(scratch.acquire((10,), np.uint16), small)


def test_an_array_of_another_origin_is_left_alone():
    scratch = Scratch()
    own = np.zeros(12, np.uint8)
    scratch.release(own)
    assert not np.shares_memory(own, scratch.acquire((12,), np.uint8))


def test_what_is_given_back_twice_is_lent_once():
    scratch = Scratch()
    array = scratch.acquire((12,), np.uint8)
    scratch.release(array)
    scratch.release(array)
    assert not np.shares_memory(scratch.acquire((12,), np.uint8), scratch.acquire((12,), np.uint8))
