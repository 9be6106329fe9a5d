"""What a run keeps in memory from one region to the next."""

from functools import partial

import numpy as np

from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import predict_region, read_region
from napari_clip_denoise.inference.pipeline import run
from napari_clip_denoise.inference.settings import make_settings

SETTINGS = partial(make_settings, device="cpu", intensity=(0.0, 1.0), noise_level=0.1)


def memory_of(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def test_guides_keep_no_more_memory_than_they_are_large(told):
    stack = as_stack(np.random.default_rng(0).random((12, 48, 64), np.float32), "zyx")
    job = prepare(stack, told, SETTINGS(context=1))
    run(job, split(stack.shape, (4, 48, 64)), lambda *_: None)
    kept = {id(each): each for each in map(memory_of, job.guides._arrays.values())}
    assert len(kept) == 12
    assert sum(each.nbytes for each in kept.values()) == job.guides.n_bytes == stack.array.nbytes


def test_what_only_the_network_needs_is_dropped_before_a_region_is_written(told):
    stack = as_stack(np.random.default_rng(0).poisson(20, (3, 48, 64)).astype("u2"), "zyx")
    job = prepare(stack, told, make_settings(device="cpu", context=1, noise_level="auto"))
    given = read_region(job, whole(stack.shape))
    prediction = predict_region(job, whole(stack.shape), given=given)
    assert given.window.levels is not None
    assert given.context is not None
    assert prediction.given.window.levels is None
    assert prediction.given.context is None


def test_a_noise_level_that_is_the_same_everywhere_takes_no_memory(told):
    stack = as_stack(np.random.default_rng(0).random((3, 48, 64), np.float32), "zyx")
    levels = read_region(prepare(stack, told, SETTINGS()), whole(stack.shape)).window.levels
    assert levels.shape == (3, 1, 48, 64)
    np.testing.assert_array_equal(levels, np.float32(0.1))
    assert memory_of(levels).size == 3
