"""Batch and tile are chosen by what the network takes, as measured, and by what is free."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine import engine as runner
from napari_clip_denoise.inference.engine import memory
from napari_clip_denoise.inference.engine.engine import Runner
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.memory import (
    BESIDE_TENSORS,
    SHARE_OF_FREE,
    MemoryModel,
    measure,
)
from napari_clip_denoise.inference.estimate import HELD, make_plan
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from stores import files_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
A_PIXEL = 100


@pytest.fixture
def free(monkeypatch):
    """Let a network take 100 bytes a pixel, and so many pixels be free."""

    def set_free(pixels):
        n_bytes = int(pixels * A_PIXEL / SHARE_OF_FREE) + 1
        monkeypatch.setattr(runner, "free_memory", lambda device: n_bytes)
        monkeypatch.setattr(Runner, "memory", property(lambda self: MemoryModel(0, A_PIXEL)))

    return set_free


def job_of(model, shape, **settings):
    stack = as_stack(np.broadcast_to(np.uint16(7), shape))
    return prepare(stack, model, make_settings(device="cpu", intensity=(0, 9), **settings))


def test_tensors_are_counted_while_they_live():
    def call(side):
        a = torch.zeros(side, side)
        b = a + 1
        del a
        c = torch.cat([b, b])
        return c[:side].add_(1)

    found = measure(call, CPU)
    assert found.per_pixel == pytest.approx(BESIDE_TENSORS * 12, rel=1e-3)
    assert found.fixed < 2


def test_what_a_network_takes_lies_on_a_line(tiny):
    network = Runner(tiny, CPU, torch.float32)
    batch = torch.zeros(3, 1, 256, 256)
    with torch.inference_mode():
        peak = memory._peak_of_tensors(lambda: network._network(batch))
    assert network.memory.n_bytes(3 * 256**2) == pytest.approx(peak, rel=0.1)


@given(fixed=st.integers(0, 10**9), per_pixel=st.integers(1, 10**4), pixels=st.integers(0, 10**8))
def test_a_line_leads_from_pixels_to_bytes_and_back(fixed, per_pixel, pixels):
    def peak(call):
        return fixed + per_pixel * call() ** 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_peak_of_tensors", peak)
        found = measure(lambda side: side, CPU)
    assert found.n_bytes(pixels) == pytest.approx(fixed + per_pixel * pixels, rel=1e-9, abs=2)
    assert found.pixels(found.n_bytes(pixels) + per_pixel) >= pixels
    assert found.n_bytes(found.pixels(fixed + 10**9)) <= fixed + 10**9 + 2
    assert MemoryModel(fixed + 1, per_pixel).pixels(fixed) == 0


def test_cuda_is_asked_for_its_peak_after_a_first_call(monkeypatch):
    state = SimpleNamespace(now=1000, peak=0, calls=[])

    def call(side):
        if not state.calls:
            state.now += 500
        state.calls.append(side)
        state.peak = max(state.peak, state.now + 64 + 3 * side**2)

    def reset():
        state.peak = state.now

    free = {"mem_get_info": lambda device: (7000, 9000), "memory_reserved": lambda device: 2000}
    for name, value in free.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: state.now)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: state.peak)
    assert measure(call, CUDA) == MemoryModel(64, 3)
    assert state.calls == [256, 256, 512]
    assert memory.free_memory(CUDA) == 7000 + 2000 - 1500


def test_with_much_memory_the_batch_is_what_is_fast(tiny, free):
    free(10**12)
    job = job_of(tiny, (99, 64, 64))
    assert job.batch == job.runner.pixels_per_batch() // 64**2


def test_with_less_the_batch_is_what_fits(tiny, free):
    free(3 * 64**2 + 5)
    assert job_of(tiny, (99, 64, 64)).batch == 3
    assert job_of(tiny, (99, 64, 64), batch=8).batch == 8


def test_where_no_tile_fits_it_becomes_smaller(tiny, free):
    free(600**2)
    job = job_of(tiny, (3, 1024, 900))
    assert (job.tile, job.batch) == (512, 1)
    assert job_of(tiny, (3, 1024, 900), tile=1024).tile == 1024
    assert job_of(tiny, (3, 1024, 900), batch=2).tile == 256
    free(0)
    smallest = job_of(tiny, (3, 1024, 900))
    assert (smallest.tile, smallest.batch) == (256, 1)


def test_where_nothing_can_be_measured_the_rest_is_left_to_the_run(tiny, monkeypatch):
    def too_large(call, device):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(runner, "measure", too_large)
    network = Runner(tiny, CPU, torch.float32)
    assert network.memory is None
    assert network.pixels_that_fit() == network.pixels_per_batch()


def test_a_plan_tells_what_the_same_model_says(tiny, free, monkeypatch):
    free(10**12)
    stack = as_stack(np.random.default_rng(0).integers(0, 99, (20, 64, 64), "u2"))
    settings = make_settings(device="cpu", batch=4)
    less = make_plan(stack, None, settings, tiny).host_bytes
    monkeypatch.setattr(Runner, "memory", property(lambda self: MemoryModel(10**9, A_PIXEL)))
    assert make_plan(stack, None, settings, tiny).host_bytes == less + HELD * 10**9


def test_a_resumed_run_keeps_to_tile_and_batch_that_it_began_with(
    tiny, free, tmp_path, monkeypatch
):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 10**6)
    noisy = np.random.default_rng(0).integers(0, 999, (14, 300, 288), "u2")
    np.save(tmp_path / "noisy.npy", noisy)
    write = OmeZarrWriter.write
    batches = []
    start = Runner.start

    def counting(self, batch, cancel=None, **options):
        batches.append(batch.shape)
        return start(self, batch, cancel, **options)

    def run(name, **settings):
        stack = open_stack(tmp_path / "noisy.npy")
        chosen = make_settings(device="cpu", intensity=(0, 999), **settings)
        return denoise_to_file(stack, tmp_path / f"{name}.ome.zarr", chosen, model=tiny)

    def failing(self, index, block):
        if index[0].start:
            monkeypatch.setattr(OmeZarrWriter, "write", write)
            raise OSError("stopped")
        write(self, index, block)

    monkeypatch.setattr(Runner, "start", counting)
    free(3 * 304 * 288)
    whole = run("whole")
    assert set(batches) == {(3, 1, 304, 288), (2, 1, 304, 288)}
    monkeypatch.setattr(OmeZarrWriter, "write", failing)
    with pytest.raises(OutputError, match="stopped"):
        run("resumed")
    free(0)
    batches.clear()
    assert files_of(run("resumed")) == files_of(whole)
    assert batches == [(3, 1, 304, 288)]
