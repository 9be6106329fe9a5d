import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import dask.array as da
import numpy as np
import psutil
import pytest
import zarr

from napari_clip_denoise.errors import Cancelled, InputError, OutputError
from napari_clip_denoise.formats import create_writer
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.estimate import make_plan, measure_size
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

SETTINGS = make_settings(device="cpu")


@pytest.fixture(scope="module")
def stack():
    return as_stack(np.random.default_rng(0).integers(0, 999, (2, 5, 70, 300), "u2"), "czyx")


@pytest.fixture(scope="module")
def plan(stack, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    found = make_plan(stack, folder / "a.ome.zarr", SETTINGS, tiny)
    assert not list(folder.iterdir())
    return found


def test_it_counts_what_there_is(plan, stack):
    assert (plan.planes, plan.regions, plan.tiles_per_plane, plan.tile) == (10, 1, 1, 304)
    assert plan.device == "cpu"
    assert plan.device_bytes is None
    assert plan.seconds > 0
    assert plan.host_bytes > 2 * stack.array.nbytes
    plan.check()


def test_memory_is_counted_for_the_regions_there_are(tiny, tmp_path):
    plane = np.random.default_rng(0).integers(0, 999, (512, 512), "u2")
    settings = make_settings(device="cpu", intensity=(0, 1000))

    def host_bytes(n_planes):
        stack = as_stack(np.broadcast_to(plane, (n_planes, *plane.shape)), "zyx")
        return make_plan(stack, tmp_path / "a.ome.zarr", settings, tiny).host_bytes

    one, two, many, more = map(host_bytes, (64, 128, 1000, 2000))
    assert one < two < many
    assert many == more


def test_the_output_is_as_large_as_it_says(plan, stack, tiny, tmp_path):
    path = denoise_to_file(stack, tmp_path / "a.ome.zarr", SETTINGS, model=tiny)
    group = zarr.open_group(path, mode="r")
    stored = sum(array.nbytes_stored() for _, array in group.arrays())
    assert plan.disk_bytes == pytest.approx(stored, rel=0.2)
    tif = make_plan(stack, tmp_path / "a.ome.tif", SETTINGS, tiny)
    assert tif.disk_bytes == stack.array.nbytes


def test_a_line_tells_the_most_of_it(plan, stack, tiny):
    told = replace(plan, seconds=125, host_bytes=2**30, disk_bytes=2**31, disk_free=2**33)
    assert told.sentence() == (
        "10 planes: about 2 min 05 s on cpu, 1.0 GiB of memory, "
        "2.0 GiB of 8.0 GiB free on the disk."
    )
    in_memory = make_plan(stack, None, SETTINGS, tiny)
    assert in_memory.disk_bytes == 0
    assert "disk" not in in_memory.sentence()


def test_it_can_be_stopped(stack, tiny):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        make_plan(stack, None, SETTINGS, tiny, cancel=cancel)


def test_large_planes_are_timed_by_a_part(tiny, tmp_path):
    huge = as_stack(np.broadcast_to(np.uint16(7), (3, 9_000, 12_500)))
    found = make_plan(huge, tmp_path / "a.ome.zarr", make_settings(device="cpu", tile=256), tiny)
    assert found.regions == 3 * 3 * 4
    assert found.disk_bytes < 2**30
    assert found.host_bytes < 2 * 2**30


def test_what_cannot_fit_is_refused_with_what_would(plan):
    with pytest.raises(OutputError, match=r"make room for 2\.0 GiB or choose another place"):
        replace(plan, disk_bytes=3 * 2**30, disk_free=2**30).check()
    with pytest.raises(InputError, match=r"save as \.ome\.zarr.* a computer with 6\.0 GiB"):
        replace(plan, host_bytes=3 * 2**30, host_free=2**30).check()


def test_a_file_that_cannot_fit_is_refused_before_it_begins(tmp_path):
    endless = as_stack(np.broadcast_to(np.uint16(7), (10**6, 40_000, 50_000)))
    with pytest.raises(OutputError, match="GiB are free there; make room"):
        create_writer(tmp_path / "a.npy", endless, endless.dtype)
    assert not list(tmp_path.iterdir())


def test_planes_regions_and_bytes_are_counted_without_torch(tmp_path):
    stack = as_stack(da.zeros((3, 40, 1000, 1000), dtype=np.uint8), "tzyx")
    in_memory = measure_size(stack, None, "float32")
    assert (in_memory.planes, in_memory.regions) == (120, 30)
    assert in_memory.result_bytes == 120 * 4 * 10**6
    assert in_memory.free_bytes > 0
    stored = measure_size(stack, tmp_path / "a.zarr")
    assert stored.regions == 9
    assert stored.result_bytes == 120 * 10**6 * 4 // 3
    code = "import sys, napari_clip_denoise.inference.estimate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_network_is_counted_for_the_tiles_there_are(tiny):
    settings = make_settings(device="cpu", intensity=(0, 1000), batch=32)
    one, many = (
        make_plan(as_stack(np.zeros((n, 64, 64), np.float32), "zyx"), None, settings, tiny)
        for n in (1, 32)
    )
    assert one.host_bytes < many.host_bytes / 8


def test_the_program_itself_is_told_apart(stack, tiny, monkeypatch):
    has = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=5 * 2**30))
    monkeypatch.setattr(psutil, "Process", lambda: has)
    found = make_plan(stack, None, SETTINGS, tiny)
    assert found.program_bytes == 5 * 2**30
    assert found.host_bytes < 2**30
