"""The verdict of the check that follows each run, where a user sees it."""

import shutil

import numpy as np
import pytest

from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference import result_check
from napari_clip_denoise.inference.runs import denoise_to_memory
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.residual.run_verdict import RunVerdict


@pytest.fixture
def expected(tiny_file):
    """The verdict of the library on a run with the tiny model."""

    def check(stack):
        found = []
        settings = DenoiseSettings(model=str(tiny_file), device="cpu")
        denoise_to_memory(stack, settings, on_checked=found.append)
        return found[0]

    return check


def lines(widget):
    return widget.progress.label.text().splitlines()


def test_a_run_says_below_its_bar_and_in_its_layer_what_the_check_found(
    viewer, run, widget, noisy, expected
):
    viewer.add_image(noisy)
    result = run()
    verdict = expected(as_stack(noisy, "zyx"))
    assert lines(widget)[0].startswith("Denoised 'noisy' in ")
    assert lines(widget)[1:] == [verdict.sentence]
    made = result.metadata["napari_clip_denoise"]
    assert made["check"] == verdict.record()["check"]
    assert made["model"] == "tiny"


def test_what_is_wrong_is_said(viewer, run, widget, noisy, monkeypatch):
    wrong = RunVerdict("Plane 1: structure was removed at 12 places; open Check result.", True)
    monkeypatch.setattr(result_check, "check_windows", lambda *_: wrong)
    viewer.add_image(noisy)
    result = run()
    assert lines(widget)[1:] == [wrong.sentence]
    assert result.metadata["napari_clip_denoise"]["check"]["flagged"]


def test_each_of_several_layers_has_its_own_verdict(viewer, widget, qtbot, noisy, expected):
    layers = [viewer.add_image(noisy, name="a"), viewer.add_image(noisy[:2, :64], name="b")]
    viewer.layers.selection = set(layers)
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    verdicts = [expected(as_stack(layer.data, "zyx")).sentence for layer in layers]
    said = [f"'{each.name}': {verdict}" for each, verdict in zip(layers, verdicts, strict=True)]
    assert lines(widget)[1:] == said


def test_the_check_can_be_switched_off(viewer, run, widget, noisy):
    assert widget.form.check.value
    widget.form.check.value = False
    viewer.add_image(noisy)
    result = run()
    assert len(lines(widget)) == 1
    assert "check" not in result.metadata["napari_clip_denoise"]
    assert not result.metadata["napari_clip_denoise"]["settings"]["check"]


def test_the_table_of_files_has_a_column_for_the_verdict(
    make_napari_viewer, models_folder, tiny_file, qtbot, tmp_path, noisy, expected
):
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    viewer = make_napari_viewer(show=True)
    _, batch = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise files")
    np.save(tmp_path / "a.npy", noisy)
    batch.form.model.value, batch.form.device.value = "tiny", "cpu"
    batch.form.inputs.value, batch.form.output.value = str(tmp_path / "a.npy"), tmp_path / "out"
    verdict = expected(open_stack(tmp_path / "a.npy")).sentence
    for is_checked, said in ((True, verdict), (False, "")):
        batch.form.check.value, batch.form.existing.value = is_checked, "replace"
        batch.run_button.click()
        qtbot.waitUntil(lambda: not batch.is_running, timeout=60_000)
        assert batch.table.states() == ["done"]
        cell = batch.table.item(0, 3)
        assert batch.table.horizontalHeaderItem(3).text() == "Check"
        assert (cell.text(), cell.toolTip()) == (said, said)
        assert batch.table.horizontalScrollBar().maximum() == 0
        needed = batch.table.sizeHintForRow(0)
        assert batch.table.rowHeight(0) >= needed
