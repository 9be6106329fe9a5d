import threading
from dataclasses import replace
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import torch

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import OutOfDeviceMemory, UnexpectedError
from napari_clip_denoise.images.regions import split
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference import timing as profile
from napari_clip_denoise.inference.engine.engine import Runner
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.pipeline import REGIONS_IN_FLIGHT, run
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.inference.timing import Profile, with_memory

ERRORS = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory")]


@pytest.fixture(scope="module")
def noisy():
    return np.random.default_rng(0).integers(0, 999, (6, 300, 260), "u2")


def job_of(noisy, model, **settings):
    settings = {"device": "cpu", "intensity": (0, 999)} | settings
    return prepare(as_stack(noisy), model, make_settings(**settings))


def pretend_cuda(job):
    """Put a job on a device that says it is CUDA and computes on the CPU."""
    runner = Runner(job.runner.model, torch.device("cpu"), torch.float32)
    runner.device = torch.device("cuda")
    return replace(job, runner=runner)


@pytest.fixture
def memory(monkeypatch):
    """Limit the pixels in one call of a network, by device."""
    forward = Runner._forward
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)

    def limit(error, **pixels):
        calls = []

        def limited(self, batch, level, ensemble):
            calls.append((self.device.type, tuple(batch.shape)))
            if batch.size > pixels[self.device.type]:
                raise error
            device, self.device = self.device, torch.device("cpu")
            try:
                return forward(self, batch, level, ensemble)
            finally:
                self.device = device

        monkeypatch.setattr(Runner, "_forward", limited)
        return calls

    return limit


def run_all(job, **options):
    result = np.zeros(job.stack.shape, job.dtype)
    regions = split(job.stack.shape, (2, *job.stack.plane_shape))
    run(job, regions, result.__setitem__, **options)
    return result


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "mps"])
def test_too_little_memory_halves_the_batch(tiny, noisy, memory, error):
    expected = run_all(job_of(noisy, tiny))
    job = pretend_cuda(job_of(noisy, tiny, batch=4))
    plane = 304 * 272
    calls = memory(error, cuda=plane, cpu=0)
    said, progress = [], []
    result = run_all(job, notify=said.append, progress=progress.append)
    assert [shape[0] for _, shape in calls[:2]] == [2, 1]
    assert {shape[0] for _, shape in calls[2:]} == {1}
    assert len(said) == 1
    assert said[0].endswith("do not fit into the memory of cuda; going on with 1 at a time.")
    assert progress[-1].done == pytest.approx(6)
    np.testing.assert_allclose(result.astype(int), expected, atol=1)


def test_then_it_halves_the_tile(tiny, noisy, memory):
    wide = np.concatenate([noisy[:2]] * 2, axis=1)
    whole = run_all(job_of(wide, tiny))
    job = pretend_cuda(job_of(wide, tiny, batch=1))
    memory(ERRORS[0], cuda=320**2, cpu=0)
    said = []
    result = run_all(job, notify=said.append)
    assert said[-1].endswith("going on with tiles of 304 pixels.")
    np.testing.assert_allclose(result.astype(int), whole, atol=1)


def test_then_it_moves_to_the_cpu_and_stays_there(tiny, noisy, memory):
    job = pretend_cuda(job_of(noisy, tiny, batch=1))
    expected = run_all(job_of(noisy, tiny))
    calls = memory(ERRORS[0], cuda=0, cpu=10**9)
    said = []
    result = run_all(job, notify=said.append)
    assert said[-1].endswith("going on with the CPU.")
    assert [device for device, _ in calls] == ["cuda"] + ["cpu"] * (len(calls) - 1)
    np.testing.assert_allclose(result.astype(int), expected, atol=1)


def test_a_library_user_is_warned(tiny, noisy, memory):
    memory(ERRORS[0], cuda=0, cpu=304 * 272)
    options = {"device": "cpu", "intensity": (0, 999), "batch": 2}
    with pytest.warns(UserWarning, match="going on with 1 at a time"):
        denoise(noisy[:2], tiny, **options)
    with pytest.warns(UserWarning, match="going on with 1 at a time"):
        denoise(da.from_array(noisy[:2], chunks=(2, -1, -1)), tiny, **options).compute()


def test_where_nothing_fits_it_says_so(tiny, noisy, memory):
    memory(ERRORS[0], cuda=0, cpu=0)
    refused = pytest.raises(OutOfDeviceMemory, match="do not fit into the memory of cpu; choose a")
    with pytest.warns(UserWarning, match="going on with"), refused:
        denoise(noisy, tiny, device="cpu", intensity=(0, 999))


def test_other_errors_of_the_network_are_not_swallowed(tiny, noisy, memory):
    memory(RuntimeError("something else"), cuda=0, cpu=0)
    with pytest.raises(UnexpectedError, match="something else") as error:
        denoise(noisy, tiny, device="cpu", intensity=(0, 999))
    assert isinstance(error.value.__cause__, RuntimeError)


def test_a_region_has_the_same_bytes_in_any_run(tiny, noisy):
    job = job_of(noisy, tiny, output_dtype="float32", batch=2)
    together = run_all(job)
    for region in reversed(list(split(noisy.shape, (2, *noisy.shape[1:])))):
        np.testing.assert_array_equal(denoise_region(job, region), together[region])


class Counting:
    """An array that counts what is read from it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.reads = array, array.shape, array.dtype, 0

    def __getitem__(self, index):
        self.reads += 1
        return self.array[index]


def test_few_regions_are_in_flight_however_many_there_are(tiny):
    source = Counting(np.random.default_rng(0).integers(0, 99, (80, 32, 32), "u2"))
    job = job_of(source, tiny)
    ahead, written = [], []

    def write(region, block):
        ahead.append(source.reads - len(written))
        written.append(region)

    run(job, split(source.shape, (1, 32, 32)), write)
    assert len(written) == 80
    assert max(ahead) <= REGIONS_IN_FLIGHT + 1


def test_a_profile_accounts_for_each_stage(tiny, noisy):
    profile = Profile()
    run_all(job_of(noisy, tiny), profile=profile)
    stages = {stage.name: stage for stage in profile.stages()}
    assert set(stages) == {"read", "map", "device", "unmap", "write"}
    assert all(0 < stage.busy <= 1 for stage in stages.values())
    assert stages["device"].seconds <= profile.seconds


def test_a_failing_write_ends_the_run(tiny, noisy):
    def fail(*_):
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run(job_of(noisy, tiny), split(noisy.shape, (1, *noisy.shape[1:])), fail)


def test_memory_is_told_for_what_is_called(monkeypatch):
    held = 1000
    sampled = threading.Event()

    class Process:
        def memory_info(self):
            sampled.set()
            return SimpleNamespace(rss=held)

    def hold(n_bytes):
        nonlocal held
        held = n_bytes
        sampled.clear()
        assert sampled.wait(10)

    def call():
        hold(5000)
        hold(3000)
        return "done"

    monkeypatch.setattr(profile.psutil, "Process", Process)
    assert with_memory(call) == ("done", 4000)
    with pytest.raises(ZeroDivisionError):
        with_memory(lambda: 1 / 0)
