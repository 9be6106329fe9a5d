"""A run to a store that is stopped, and goes on in the window."""

import errno
import threading

import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.gui.widgets.denoise import describe
from napari_clip_denoise.inference.progress import VERIFYING, Progress

N_FINISHED = 3


@pytest.fixture
def interrupted(widget, viewer, run, noisy, errors, tmp_path, monkeypatch):
    """The name of a store that a run was stopped in after three planes."""
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)
    write, seen = OmeZarrWriter.write, []

    def failing(self, index, block):
        seen.append(index)
        if len(seen) > N_FINISHED:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, index, block)

    viewer.add_image(noisy)
    widget.form.store.value = tmp_path / "a.ome.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(OmeZarrWriter, "write", failing)
        run()
    assert "make room and run it again" in errors()[-1]
    return tmp_path / "a.ome.zarr"


def test_verification_is_shown_and_cancelled(
    widget, run, qtbot, noisy, tiny, interrupted, monkeypatch
):
    checksum, seen, go_on = Pyramid.checksum, [], threading.Event()

    def waiting(self, region):
        seen.append(region)
        if len(seen) > 1:
            go_on.wait(60)
        return checksum(self, region)

    with monkeypatch.context() as patch:
        patch.setattr(Pyramid, "checksum", waiting)
        widget.run_button.click()
        words = f"{VERIFYING} · 1 of {N_FINISHED} regions"
        qtbot.waitUntil(lambda: widget.progress.label.text() == words, timeout=60_000)
        widget.cancel_button.click()
        go_on.set()
        qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)
    assert not interrupted.exists()
    assert widget.progress.label.text() == "Cancelled; what an earlier run has finished is kept."
    written = []
    write = OmeZarrWriter.write

    def counted(self, index, block):
        written.append(index)
        write(self, index, block)

    monkeypatch.setattr(OmeZarrWriter, "write", counted)
    expected = denoise(noisy, tiny, device="cpu")
    np.testing.assert_array_equal(np.asarray(run().data), expected)
    assert len(written) == len(noisy) - N_FINISHED


def test_the_progress_of_a_run_is_in_planes_and_of_verification_in_regions():
    assert describe(Progress(3, 8, 2.0, 1)).startswith("3 of 8 planes")
    assert describe(Progress(3, 8, 0.0, 3, VERIFYING)) == f"{VERIFYING} · 3 of 8 regions"
