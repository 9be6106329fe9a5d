"""The last bits depend on the number of torch's threads, so a run keeps to those it began with."""

import json

import numpy as np
import pytest
import torch
import zarr

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.inference.engine.engine import Runner
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from stores import files_of


@pytest.fixture
def threads(monkeypatch):
    """Let torch have another number of threads, which shows in what a network gives."""
    forward = Runner._forward

    def count(self, batch, level, ensemble):
        return forward(self, batch * (1 + torch.get_num_threads() / 8), level, ensemble)

    monkeypatch.setattr(Runner, "_forward", count)
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.fixture
def run(tiny, tmp_path):
    np.save(tmp_path / "noisy.npy", np.random.default_rng(0).random((4, 32, 32), np.float32))

    def begin(name, shard=(0, 1), overwrite=False, **settings):
        stack = open_stack(tmp_path / "noisy.npy")
        settings = make_settings(device="cpu", intensity=(0, 1), **settings)
        path = tmp_path / f"{name}.ome.zarr"
        return denoise_to_file(stack, path, settings, model=tiny, shard=shard, overwrite=overwrite)

    return begin


@pytest.fixture
def stop_once(monkeypatch):
    write = OmeZarrWriter.write

    def failing(self, index, block):
        if index[0].start == 2:
            monkeypatch.setattr(OmeZarrWriter, "write", write)
            raise OSError("stopped")
        write(self, index, block)

    monkeypatch.setattr(OmeZarrWriter, "write", failing)


def test_a_resumed_run_computes_with_the_threads_it_began_with(threads, run, stop_once):
    threads(2)
    with pytest.raises(OutputError, match="stopped"):
        run("resumed")
    threads(3)
    resumed = run("resumed")
    assert torch.get_num_threads() == 3
    threads(2)
    assert files_of(resumed) == files_of(run("whole"))
    threads(3)
    assert files_of(resumed) != files_of(run("other"))


def test_all_shards_compute_with_the_threads_of_the_first(threads, run):
    for i, number in ((1, 2), (0, 3), (2, 4)):
        threads(number)
        shared = run("shared", shard=(i, 3))
    threads(2)
    assert files_of(shared) == files_of(run("whole"))


def test_other_threads_by_name_are_refused(threads, run, stop_once):
    threads(2)
    with pytest.raises(OutputError, match="stopped"):
        run("a")
    with pytest.raises(OutputError, match=r"started differently \(threads 2 then, 3 now\)"):
        run("a", threads=3)
    assert run("a", threads=3, overwrite=True).exists()


def test_a_result_tells_its_threads_which_repeat_it(threads, run):
    threads(3)
    first = run("first")
    own = zarr.open_group(first).attrs["napari_clip_denoise"]
    assert json.loads(json.dumps(own))["threads"] == 3
    threads(2)
    pixels = [zarr.open_group(path)["0"][:] for path in (first, run("again", threads=3))]
    np.testing.assert_array_equal(*pixels)


@pytest.mark.parametrize("number", [100_000, 0, -1])
def test_absurd_numbers_of_threads_are_one_sentence(tiny, number):
    noisy = np.zeros((20, 30), "u2")
    with pytest.raises(InputError, match=f"setting threads={number} is wrong: input should be"):
        denoise(noisy, tiny, device="cpu", threads=number)


def test_an_array_is_denoised_with_the_threads_asked_for(threads, tiny):
    noisy = np.random.default_rng(0).random((32, 32), np.float32)
    threads(2)
    with_two, with_three = (denoise(noisy, tiny, device="cpu", threads=n) for n in (None, 3))
    assert torch.get_num_threads() == 2
    threads(3)
    np.testing.assert_array_equal(denoise(noisy, tiny, device="cpu"), with_three)
    assert not np.array_equal(with_two, with_three)
