"""Planes averaged with their neighbours before they are denoised."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise import denoise, denoise_to_zarr
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.provenance import fingerprint
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import as_command, make_settings
from napari_clip_denoise.network import fusion
from napari_clip_denoise.noise.simulation import fluorescence
from stores import files_of

PLAIN = {"device": "cpu", "intensity": (0.0, 1.0), "output_dtype": "float32", "noise_level": 0.1}


def noisy_stack(shape, seed=0):
    rng = np.random.default_rng(seed)
    clean = fluorescence(shape, seed=1)
    return (clean + rng.normal(0, 0.1, shape)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def easily_convinced():
    """Use neighbours that hardly agree, too: guides of a network with random weights never do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "LEAST_AGREEMENT", 0.01)
        yield


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


def test_every_way_gives_the_same_pixels(told, movie, tmp_path):
    values = PLAIN | {"context": 1}
    expected = denoise(movie, told, axes="tyx", **values)
    lazy = denoise(da.from_array(movie, chunks=(1, 160, 80)), told, axes="tyx", **values)
    np.testing.assert_allclose(lazy.compute(scheduler="synchronous"), expected, atol=1e-5)
    store = denoise_to_zarr(movie, tmp_path / "a.zarr", told, axes="tyx", **values)
    np.testing.assert_allclose(zarr.open(store)["0"][:], expected, atol=1e-5)
    chosen = make_settings(**values)
    region = (slice(2, 3), slice(40, 90), slice(10, 70))
    view = View(as_stack(movie, "tyx"), region, chosen)
    maker = PreviewMaker()
    maker._load = lambda view: told
    preview = maker(view, CancelToken())
    np.testing.assert_allclose(preview.pixels(1.0), expected[region], atol=2e-4)
    assert preview.provenance(1.0)["settings"]["context"] == 1


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_shards_give_the_bytes_of_one_run(told, movie, tmp_path, monkeypatch, version):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)
    stack, chosen = as_stack(movie, "zyx"), make_settings(**PLAIN | {"context": 2})

    def run(name, shard=(0, 1)):
        path = tmp_path / name
        return denoise_to_file(stack, path, chosen, model=told, shard=shard, ome_version=version)

    run("shards.zarr", (1, 2))
    assert not (tmp_path / "shards.zarr").exists()
    assert files_of(run("shards.zarr", (0, 2))) == files_of(run("whole.zarr"))


def test_a_plane_is_guided_once(told, movie):
    job = job_of(told, as_stack(movie, "zyx"))
    calls = []
    start = job.runner.start
    job.runner.start = lambda *given, **options: calls.append(1) or start(*given, **options)
    try:
        for z in range(4):
            denoise_region(job, (slice(z, z + 1), slice(0, 320), slice(0, 80)))
    finally:
        del job.runner.start
    assert len(calls) == 2 * len(movie)


def test_the_bytes_of_a_region_do_not_depend_on_what_was_done_before(told, movie):
    stack = as_stack(movie, "zyx")
    region = (slice(2, 3), *whole(movie.shape)[1:])
    fresh = denoise_region(job_of(told, stack), region)
    job = job_of(told, stack)
    denoise_region(job, (slice(0, 2), *whole(movie.shape)[1:]))
    assert denoise_region(job, region).tobytes() == fresh.tobytes()


def test_only_planes_along_the_axis_are_neighbours(told):
    movie = noisy_stack((3, 64, 48))
    both = np.stack([movie, movie[::-1] + 0.3])
    values = PLAIN | {"context": 2}
    together = denoise(both, told, axes="czyx", **values)
    for channel, alone in zip(together, both, strict=True):
        np.testing.assert_allclose(channel, denoise(alone, told, axes="zyx", **values), atol=1e-5)
    over_time = denoise(both.swapaxes(0, 1), told, axes="tzyx", context_axis="t", **values)
    np.testing.assert_allclose(over_time[:, 0], together[0], atol=1e-5)


def test_colours_have_neighbours_too(told):
    movie = noisy_stack((3, 64, 48))
    expected = denoise(movie, told, axes="zyx", **PLAIN | {"context": 1})
    colours = np.stack([movie, movie, movie], axis=-1)
    found = denoise(colours, told, axes="zyxs", **PLAIN | {"context": 1})
    np.testing.assert_allclose(found[..., 1], expected, atol=1e-5)


def test_strength_0_and_missing_values_stay_as_they_are(told):
    movie = noisy_stack((3, 64, 48))
    movie[1, 10:20, 10:20] = np.nan
    values = PLAIN | {"context": 1}
    np.testing.assert_array_equal(denoise(movie, told, axes="zyx", strength=0.0, **values), movie)
    result = denoise(movie, told, axes="zyx", **values)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(movie))
    flat = np.full((3, 64, 48), 0.7, np.float32)
    np.testing.assert_array_equal(denoise(flat, told, axes="zyx", **values), flat)


@pytest.mark.parametrize(
    ("model", "axes", "values", "words"),
    [
        ("tiny", "zyx", {}, "cannot use neighbouring planes"),
        ("told", "zyx", {"noise_level": "blind"}, "noise level is known"),
        ("told", "cyx", {}, "have no neighbours"),
        ("told", "zyx", {"context_axis": "t"}, "along 't'"),
        ("told", "zyx", {"context": 6}, "context=6 is wrong"),
    ],
)
def test_what_cannot_be_is_said(request, model, axes, values, words):
    image = noisy_stack((3, 32, 32))
    options = {"intensity": (0.0, 1.0), "context": 1, "device": "cpu"} | values
    with pytest.raises(InputError, match=words):
        denoise(image, request.getfixturevalue(model), axes=axes, **options)


def test_unmeasurable_noise_is_said(told):
    with pytest.warns(UserWarning, match="noise cannot be measured"):
        denoise(np.zeros((3, 32, 32), np.float32), told, context=1, axes="zyx", device="cpu")


def test_fingerprint_and_command_name_the_neighbours(told, movie):
    job = job_of(told, as_stack(movie, "tyx"), context=2)
    assert fingerprint(job)["context"] == [2, "t"]
    command = as_command(make_settings(context=2, context_axis="t"), "a.tif", "b.zarr", "tyx")
    assert "--context=2 --context-axis=t" in command
