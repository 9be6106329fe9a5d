"""Planes averaged with their neighbours before they are denoised."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.simulation import fluorescence

PLAIN = {"device": "cpu", "intensity": (0.0, 1.0), "output_dtype": "float32", "noise_level": 0.1}


def noisy_stack(shape, seed=0):
    rng = np.random.default_rng(seed)
    clean = fluorescence(shape, seed=1)
    return (clean + rng.normal(0, 0.1, shape)).astype(np.float32)


@pytest.fixture(scope="module")
def movie():
    return noisy_stack((4, 320, 80))


def job_of(told, stack, **values):
    return prepare(stack, told, make_settings(**PLAIN | {"context": 1} | values))


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_region_is_that_part_of_the_whole(told, movie, data):
    stack = as_stack(movie, "zyx")
    tile = data.draw(st.sampled_from([None, 256]))
    job = job_of(told, stack, context=data.draw(st.integers(1, 2)))
    expected = denoise_region(job, whole(stack.shape))
    region = []
    for size in stack.shape:
        start = data.draw(st.integers(0, size - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, size))))
    part = denoise_region(job_of(told, stack, tile=tile, context=job.context), tuple(region))
    np.testing.assert_allclose(part, expected[tuple(region)], atol=2e-4)
    assert (
        np.abs(expected - denoise_region(replace(job, context=0), whole(stack.shape))).max() > 0.01
    )
