import numpy as np

from napari_clip_denoise.inference.engine.buffers import BufferPool


def test_what_was_given_back_is_lent_again():
    buffers = BufferPool()
    first = buffers.acquire((3, 4, 5), np.float32)
    other = buffers.acquire((3, 4, 5), np.float32)
    assert not np.shares_memory(first, other)
    buffers.release(first[..., np.newaxis])
    smaller = buffers.acquire((3, 4, 5), np.uint16)
    assert np.shares_memory(first, smaller)
    assert smaller.shape == (3, 4, 5)
    assert smaller.dtype == np.uint16
    assert not np.shares_memory(other, buffers.acquire((3, 4, 5), np.float32))


def test_the_smallest_that_is_large_enough_is_lent():
    buffers = BufferPool()
    large, small = buffers.acquire((100,), np.uint16), buffers.acquire((10,), np.uint16)
    buffers.release(large)
    buffers.release(small)
    assert np.shares_memory(buffers.acquire((10,), np.uint16), small)


def test_a_small_array_does_not_occupy_a_large_one():
    buffers = BufferPool()
    large = buffers.acquire((1000,), np.float32)
    buffers.release(large)
    small = buffers.acquire((10,), np.float32)
    assert not np.shares_memory(large, small)
    assert np.shares_memory(large, buffers.acquire((1000,), np.float32))


def test_an_array_of_another_origin_is_left_alone():
    buffers = BufferPool()
    own = np.zeros(12, np.uint8)
    buffers.release(own)
    assert not np.shares_memory(own, buffers.acquire((12,), np.uint8))


def test_what_is_given_back_twice_is_lent_once():
    buffers = BufferPool()
    array = buffers.acquire((12,), np.uint8)
    buffers.release(array)
    buffers.release(array)
    assert not np.shares_memory(buffers.acquire((12,), np.uint8), buffers.acquire((12,), np.uint8))
