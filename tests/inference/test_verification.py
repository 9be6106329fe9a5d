"""Progress and cancelling while the regions of an interrupted run are verified."""

import errno

import numpy as np
import pytest
import typer

from napari_clip_denoise.cli.progress import describe_files, describe_planes, progress_bar
from napari_clip_denoise.errors import Cancelled, OutputError
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.batch import BatchProgress, denoise_files
from napari_clip_denoise.inference.progress import VERIFYING, CancelToken, Progress
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from stores import files_of

N_PLANES = 12
SETTINGS = make_settings(device="cpu", intensity=(0, 999), model="tiny")


@pytest.fixture(autouse=True)
def _a_plane_a_region(monkeypatch):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)


@pytest.fixture(scope="module")
def noisy():
    return np.random.default_rng(0).integers(0, 999, (N_PLANES, 40, 50), "u2")


@pytest.fixture
def run(noisy, tiny, tmp_path):
    def denoise(name="a.ome.zarr", **options):
        stack = as_stack(noisy, "zyx")
        return denoise_to_file(stack, tmp_path / name, SETTINGS, model=tiny, **options)

    return denoise


@pytest.fixture
def stop_after(monkeypatch):
    """Let a run fail after it has written a number of regions."""

    def arm(n):
        write, seen = OmeZarrWriter.write, []

        def failing(self, index, block):
            seen.append(index)
            if len(seen) > n:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(self, index, block)

        monkeypatch.setattr(OmeZarrWriter, "write", failing)
        return lambda: monkeypatch.setattr(OmeZarrWriter, "write", write)

    return arm


@pytest.fixture
def interrupted(run, stop_after):
    """The store of a run that was stopped after most of its regions; the number of those."""
    go_on = stop_after(8)
    with pytest.raises(OutputError):
        run()
    go_on()
    return 8


def test_verification_reports_each_region_before_the_first_plane(run, interrupted):
    reports = []
    run(progress=reports.append)
    verified = [report for report in reports if report.message]
    assert [report.message for report in verified] == [VERIFYING] * interrupted
    assert [report.done for report in verified] == list(range(1, interrupted + 1))
    assert {report.total for report in verified} == {interrupted}
    assert {report.seconds_left for report in verified} == {None}
    assert reports[:interrupted] == verified
    planes = reports[interrupted:]
    assert (planes[0].done, planes[0].total) == (interrupted, N_PLANES)
    assert planes[-1].done == pytest.approx(N_PLANES)


def test_verification_can_be_cancelled_and_what_was_finished_stays(
    run, interrupted, tmp_path, monkeypatch
):
    cancel, looked_at = CancelToken(), []
    checksum = Pyramid.checksum

    def slow(self, region):
        looked_at.append(region)
        return checksum(self, region)

    monkeypatch.setattr(Pyramid, "checksum", slow)
    partial = tmp_path / ".a.ome.zarr.partial"
    before = files_of(partial / "0")

    def at_the_second(report):
        if report.done == 2:
            cancel.cancel()

    with pytest.raises(Cancelled, match="what an earlier run has finished is kept"):
        run(progress=at_the_second, cancel=cancel)
    assert files_of(partial / "0") == before
    assert len(looked_at) <= interrupted
    assert not (tmp_path / "a.ome.zarr").exists()
    reports = []
    run(progress=reports.append)
    assert sum(bool(report.message) for report in reports) == interrupted
    assert files_of(tmp_path / "a.ome.zarr") == files_of(run("b.ome.zarr"))


def test_ctrl_c_while_verifying_keeps_what_was_finished(run, interrupted, tmp_path):
    def press(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=press)
    reports = []
    run(progress=reports.append)
    assert sum(bool(report.message) for report in reports) == interrupted


def test_a_fresh_run_verifies_nothing(run):
    reports = []
    run(progress=reports.append)
    assert not any(report.message for report in reports)


def test_the_last_shard_reports_that_it_verifies_the_others(run):
    reports = []
    run(shard=(0, 2))
    run(shard=(1, 2), progress=reports.append)
    assert [report.done for report in reports if report.message] == list(range(1, N_PLANES + 1))


def test_a_batch_reports_verification_without_counting_it(noisy, tiny, tmp_path, stop_after):
    np.save(tmp_path / "a.npy", noisy)

    def batch(**options):
        sources, out = [tmp_path / "a.npy"], tmp_path / "out"
        return list(denoise_files(sources, out, suffix=".ome.zarr", model=tiny, **options))

    go_on = stop_after(8)
    assert batch()[0].state == "failed"
    go_on()
    reports = []
    assert batch(progress=reports.append)[0].state == "done"
    verified = [report for report in reports if report.message]
    assert [report.done for report in verified] == [0] * 8


def test_verification_is_described_in_words(tmp_path):
    words = describe_planes(Progress(3, 8, 0.0, 3, VERIFYING))
    assert words == "Verifying what an earlier run has finished: 3/8 regions"
    words = describe_files(BatchProgress(tmp_path / "a.npy", 1.0, 4, 2.0, VERIFYING))
    assert words == "Verifying what an earlier run has finished: a.npy"


def test_ctrl_c_on_the_command_line_says_what_is_kept(capsys):
    for progress, kept in (
        (Progress(3, 8, 0.0, 3, VERIFYING), "what an earlier run has finished is kept"),
        (Progress(3, 8, 2.0), "nothing was written"),
    ):
        with pytest.raises(typer.Exit):
            _interrupt_after(progress)
        assert f"Cancelled; {kept}." in capsys.readouterr().err


def _interrupt_after(progress):
    with progress_bar("Denoising") as report:
        report(progress)
        raise KeyboardInterrupt
