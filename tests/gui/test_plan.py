import re

import pytest

from napari_clip_denoise.gui.parts import plan as plan_row
from napari_clip_denoise.gui.parts.plan import describe
from napari_clip_denoise.gui.workers import denoise as workers
from napari_clip_denoise.inference.estimate import RunSize

GIB = 2**30


@pytest.mark.parametrize(
    ("size", "in_memory", "words"),
    [
        (0.1, True, ""),
        (0.5, True, "9 planes · needs 0.5 GiB, 30.0 GiB of memory free"),
        (40, True, "9 planes · needs 40.0 GiB, too much for memory: choose a file under 'Save to'"),
        (0.01, False, "9 planes · needs up to 10 MiB, 30.0 GiB free on the disk"),
    ],
)
def test_a_size_in_words(monkeypatch, size, in_memory, words):
    monkeypatch.setattr(plan_row, "memory_limit", lambda: GIB)
    assert describe(RunSize(9, 2, int(size * GIB), 30 * GIB), in_memory) == words


def test_the_line_follows_the_form(viewer, widget, qtbot, noisy, tmp_path):
    viewer.add_image(noisy)
    assert widget.plan.isHidden()
    widget.form.store.value = tmp_path / "result.ome.zarr"
    qtbot.waitUntil(widget.plan.isVisible)
    assert widget.plan.label.text().startswith("4 planes · needs up to 104 KiB, ")
    widget.form.store.value = tmp_path / "no" / "result.ome.zarr"
    qtbot.waitUntil(lambda: widget.plan.isVisible() and "There is no folder" in _text(widget))
    widget.form.store.value = None
    assert widget.plan.isHidden()


def test_a_run_is_timed_before_it_begins(viewer, widget, qtbot, noisy, tmp_path, errors):
    viewer.add_image(noisy)
    widget.form.store.value = tmp_path / "result.ome.zarr"
    qtbot.waitUntil(widget.plan.isVisible)
    widget.plan.button.click()
    assert not widget.run_button.isEnabled()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    assert re.match(r"4 planes: about .+ on cpu, ", widget.progress.label.text())
    assert not list(tmp_path.iterdir())
    assert not errors()


def test_a_large_result_in_memory_is_planned(viewer, widget, qtbot, unlimited, monkeypatch):
    monkeypatch.setattr(plan_row, "LARGE_BYTES", 2**20)
    monkeypatch.setattr(workers, "MEMORY_BYTES", 2**30)
    viewer.add_image(unlimited)
    qtbot.waitUntil(widget.plan.isVisible)
    assert "2000 planes · " in _text(widget)
    assert "of memory free" in _text(widget)
    widget.form.scope.value = "plane"
    assert widget.plan.isHidden()


def _text(widget):
    return widget.plan.label.text()
