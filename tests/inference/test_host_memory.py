"""The parts of the memory that a plan tells."""

from dataclasses import replace

import numpy as np
import pytest

from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.buffers import CACHE_BYTES
from napari_clip_denoise.inference.engine.host_memory import (
    GAPS,
    RegionBytes,
    largest_region,
    region_bytes,
)
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import predict_region, read_region
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.estimate import NoiseVariance

FIXED = {"device": "cpu", "intensity": (0.0, 1000.0), "noise_level": 30.0}


def stack_of(shape, dtype="u2", axes="zyx"):
    return as_stack(np.random.default_rng(0).integers(0, 999, shape).astype(dtype), axes)


@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize(("shape", "tile"), [((40, 96, 64), None), ((12, 512, 80), 256)])
def test_a_region_is_as_large_as_its_arrays(told, shape, tile, context):
    stack = stack_of(shape)
    job = prepare(stack, told, make_settings(**FIXED, context=context, tile=tile))
    region = largest_region(stack, (4, min(128, shape[1]), shape[2]))
    given = read_region(job, region)
    found = region_bytes(job, region)
    whole_window = given.window.images.nbytes
    assert found.read == whole_window + whole_window // 2
    assert found.decoded == whole_window // 2
    prediction = predict_region(job, region, given=given)
    result = prediction.result()
    assert found.device >= prediction.change.nbytes
    raw = given.values.nbytes if not context else found.decoded
    assert found.finished == raw + prediction.change.nbytes + 2 * result.nbytes


def test_neighbours_take_guides_and_the_planes_that_are_averaged(told):
    stack = stack_of((40, 96, 64))
    region = largest_region(stack, (4, 96, 64))
    alone = region_bytes(prepare(stack, told, make_settings(**FIXED)), region)
    job = prepare(stack, told, make_settings(**FIXED, context=1))
    found = region_bytes(job, region)
    plane = 4 * 96 * 64
    assert (alone.kept, found.kept) == (0, int(GAPS * 40 * plane))
    assert found.device - alone.device >= 2 * 4 * plane
    assert found.read == alone.read // 4 * 6
    aligned = region_bytes(
        prepare(stack, told, make_settings(**FIXED, context=1, context_align=True)), region
    )
    assert aligned.kept > found.kept
    endless = replace(job, stack=as_stack(np.broadcast_to(np.uint16(7), (10**6, 96, 64)), "zyx"))
    assert region_bytes(endless, region).kept == int(GAPS * CACHE_BYTES)


def test_a_noise_level_that_varies_takes_memory(told):
    stack = stack_of((8, 96, 64))
    region = largest_region(stack, (4, 96, 64))
    job = prepare(stack, told, make_settings(**FIXED))
    channel = replace(job.mapping.channels[0], noise=NoiseVariance(2.0, 10.0))
    varying = replace(job, mapping=IntensityMapping((channel,)))
    levels = read_region(varying, region).window.levels
    assert levels.strides[-1] != 0
    more = region_bytes(varying, region).read - region_bytes(job, region).read
    assert more == levels.nbytes


def test_colours_count_all_their_samples(tiny):
    stack = stack_of((6, 64, 48, 3), axes="zyxs")
    job = prepare(stack, tiny, make_settings(device="cpu", intensity=(0.0, 1000.0)))
    region = largest_region(stack, (2, 64, 48, 3))
    given = read_region(job, region)
    found = region_bytes(job, region)
    assert found.read == given.values.nbytes + given.window.images.nbytes


def test_a_run_holds_no_more_regions_than_there_are():
    part = RegionBytes(decoded=1, read=10, device=100, finished=1000, kept=10_000)
    assert part.of_run(1, readers=2, writers=2) == 11_111
    assert part.of_run(2, readers=2, writers=2) == 1 + 20 + 100 + 2000 + 10_000
    assert part.of_run(50, readers=2, writers=2) == 1 + 30 + 100 + 2000 + 10_000


def test_the_largest_region_is_a_whole_one_in_the_middle():
    stack = stack_of((10, 70, 48))
    assert largest_region(stack, (4, 32, 48)) == (slice(4, 8), slice(32, 64), slice(0, 48))
    assert largest_region(stack, (8, 70, 48)) == (slice(0, 8), slice(0, 70), slice(0, 48))
