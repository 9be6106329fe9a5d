"""Neighbours that are moved to where the plane shows the same structure."""

import errno
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import shift as moved_by

from napari_clip_denoise import denoise, denoise_to_zarr
from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.neighbours.aligned import aligned
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.provenance import fingerprint
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import as_command, as_python, make_settings
from napari_clip_denoise.noise.simulation import fluorescence
from stores import files_of

PLAIN = {"device": "cpu", "intensity": (0.0, 1.0), "output_dtype": "float32", "noise_level": 0.1}
ALIGNED = PLAIN | {"context": 1, "context_align": True}
STEP = np.array([2.3, -1.4])


def drifting(shape, step=STEP, seed=1, structures=("nuclei", "filaments")):
    n_planes, height, width = shape
    wide = fluorescence((height + 80, width + 80), structures, seed=seed)
    planes = [moved_by(wide, step * t, order=3)[40:-40, 40:-40] for t in range(n_planes)]
    return np.stack(planes).astype(np.float32)


def noisy(clean, sigma=0.02):
    """Add noise; a network of random weights leaves it, and planes agree only if it is weak."""
    return clean + np.random.default_rng(0).normal(0, sigma, clean.shape).astype(np.float32)


@pytest.fixture(scope="module")
def movie():
    return noisy(drifting((4, 320, 80)))


def job_of(told, stack, **values):
    return prepare(stack, told, make_settings(**ALIGNED | values))


@settings(max_examples=6, deadline=None)
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
    unaligned = denoise_region(replace(job, drift=None), whole(stack.shape))
    assert np.abs(expected - unaligned).max() > 0.01


def test_every_way_gives_the_same_pixels(told, movie, tmp_path):
    expected = denoise(movie, told, axes="tyx", **ALIGNED)
    lazy = denoise(da.from_array(movie, chunks=(1, 160, 80)), told, axes="tyx", **ALIGNED)
    np.testing.assert_allclose(lazy.compute(scheduler="synchronous"), expected, atol=1e-5)
    store = denoise_to_zarr(movie, tmp_path / "a.zarr", told, axes="tyx", **ALIGNED)
    np.testing.assert_allclose(zarr.open(store)["0"][:], expected, atol=1e-5)
    region = (slice(2, 3), slice(40, 90), slice(10, 70))
    maker = PreviewMaker()
    maker._load = lambda view: told
    preview = maker(View(as_stack(movie, "tyx"), region, make_settings(**ALIGNED)), CancelToken())
    np.testing.assert_allclose(preview.pixels(1.0), expected[region], atol=2e-4)
    assert preview.provenance(1.0)["settings"]["context_align"] is True


def test_a_resumed_run_and_shards_give_the_bytes_of_one_run(told, movie, tmp_path, monkeypatch):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)
    stack, chosen = as_stack(movie, "zyx"), make_settings(**ALIGNED)

    def run(name, **options):
        return denoise_to_file(stack, tmp_path / name, chosen, model=told, **options)

    expected = files_of(run("whole.zarr"))
    run("shards.zarr", shard=(1, 2))
    assert files_of(run("shards.zarr", shard=(0, 2))) == expected
    write, seen = OmeZarrWriter.write, []

    def failing(self, index, block):
        seen.append(index)
        if len(seen) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, index, block)

    monkeypatch.setattr(OmeZarrWriter, "write", failing)
    with pytest.raises(OutputError, match="make room"):
        run("resumed.zarr")
    unaligned = make_settings(**PLAIN, context=1)
    with pytest.raises(OutputError, match=r"started differently \(context"):
        denoise_to_file(stack, tmp_path / "resumed.zarr", unaligned, model=told)
    assert files_of(run("resumed.zarr")) == expected


@pytest.mark.parametrize("context", [1, 2])
def test_planes_that_drift_gain(context):
    clean = drifting((3, 128, 128), np.array([0.9, -0.6]))
    values = PLAIN | {"context": context, "check": False}

    def error(**more):
        result = denoise(noisy(clean, 0.1), "compact", axes="tyx", **values | more)
        return np.square(result - clean).mean(axis=(1, 2))

    gained = 10 * np.log10(error() / error(context_align=True))
    assert gained.min() > 0.3


@pytest.mark.parametrize("axes", ["zyx", "zyxs"])
def test_planes_that_stand_still_stay_bit_for_bit(told, axes):
    still = np.stack([fluorescence((192, 192), seed=2)] * 4)
    if axes == "zyxs":
        still = np.stack([still] * 3, axis=-1)
    stack = noisy(still)
    expected = denoise(stack, told, axes=axes, **ALIGNED | {"context_align": False})
    np.testing.assert_array_equal(denoise(stack, told, axes=axes, **ALIGNED), expected)


def test_channels_are_aligned_one_by_one(told):
    movie = noisy(drifting((3, 96, 128)))
    both = np.stack([movie, movie[::-1] + 0.3])
    together = denoise(both, told, axes="czyx", **ALIGNED)
    for channel, alone in zip(together, both, strict=True):
        np.testing.assert_allclose(channel, denoise(alone, told, axes="zyx", **ALIGNED), atol=1e-5)
    over_time = denoise(both.swapaxes(0, 1), told, axes="tzyx", context_axis="t", **ALIGNED)
    np.testing.assert_allclose(over_time[:, 0], together[0], atol=1e-5)


def test_a_moved_neighbour_is_unknown_where_it_has_no_pixels():
    plane = torch.rand(1, 60, 80)

    def read(part):
        return plane[:, *part], 2 * plane[:, *part], None

    part = slice(10, 60), slice(0, 80)
    moved = aligned(read, part, (3.0, -5.0), (60, 80))
    assert moved.noisy.shape == moved.guide.shape == (1, 50, 80)
    torch.testing.assert_close(moved.noisy[:, :-3, 5:], plane[:, 13:, :-5])
    torch.testing.assert_close(moved.guide, 2 * moved.noisy)
    assert (moved.known[:, -3:] == 0).all()
    assert (moved.known[..., :5] == 0).all()
    assert (moved.known[:, :-4, 6:] == 1).all()


def test_a_moved_neighbour_is_unknown_where_it_was_filled():
    known = torch.ones(1, 60, 80)
    known[:, 20, 30] = 0
    planes = torch.rand(1, 60, 80)
    part = slice(0, 60), slice(0, 80)
    moved = aligned(
        lambda at: (planes[:, *at], planes[:, *at], known[:, *at]), part, (2.4, 0.0), (60, 80)
    )
    assert (moved.known[:, 17:19, 30] == 0).all()
    assert moved.known[:, 5:15, 1:-1].min() == 1


def test_missing_values_and_strength_0_stay_as_they_are(told):
    movie = noisy(drifting((3, 96, 128)))
    movie[1, 10:20, 10:20] = np.nan
    np.testing.assert_array_equal(
        denoise(movie, told, axes="zyx", **ALIGNED | {"strength": 0.0}), movie
    )
    result = denoise(movie, told, axes="zyx", **ALIGNED)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(movie))


def test_fingerprint_and_commands_name_the_alignment(told, movie):
    stack = as_stack(movie, "tyx")
    assert fingerprint(job_of(told, stack))["context"] == [1, "t", "aligned"]
    assert fingerprint(job_of(told, stack, context_align=False))["context"] == [1, "t"]
    assert job_of(told, stack, context=0).drift is None
    chosen = make_settings(context=1, context_align=True)
    assert "--context=1 --context-align" in as_command(chosen, "a.tif", "b.zarr", "tyx")
    assert "context_align=True" in as_python(chosen, "a.tif", "b.zarr", "tyx")
