import shutil

import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.outputs import Source
from napari_clip_denoise.gui.widgets.batch import BatchWidget
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.inference.batch import BatchProgress
from napari_clip_denoise.inference.progress import VERIFYING


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for seed, name in enumerate("abc"):
        values = np.random.default_rng(seed).integers(0, 999, (2, 40, 50), np.uint16)
        np.save(tmp_path / "data" / f"{name}.npy", values)
    return tmp_path / "data"


@pytest.fixture
def viewer(make_napari_viewer, tiny_file, models_folder):
    """A viewer, with the tiny model in the models folder."""
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    return make_napari_viewer(show=True)


@pytest.fixture
def batch(viewer, folder, tmp_path):
    """The widget in the viewer's window, with the tiny model, images and a folder chosen."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise files")
    assert isinstance(widget, BatchWidget)
    widget.form.model.value = "tiny"
    widget.form.device.value = "cpu"
    widget.form.inputs.value = str(folder)
    widget.form.output.value = tmp_path / "out"
    return widget


@pytest.fixture
def run(batch, qtbot):
    def press():
        batch.run_button.click()
        qtbot.waitUntil(lambda: not batch.is_running, timeout=60_000)

    return press


def test_files_are_listed_denoised_and_summed_up(batch, run, qtbot, folder, tiny, tmp_path):
    batch.form.inputs.native.editingFinished.emit()
    assert batch.table.states() == ["waiting"] * 3
    assert batch.progress.label.text() == "3 images found."
    batch.form.format.value = ".tif"
    run()
    assert batch.table.states() == ["done"] * 3
    assert batch.progress.label.text() == "3 files: 3 done, 0 skipped, 0 failed."
    assert batch.progress.bar.value() == batch.progress.bar.maximum()
    for name in "abc":
        stack = open_stack(tmp_path / "out" / f"{name}.tif")
        expected = denoise(np.load(folder / f"{name}.npy"), tiny, device="cpu")
        np.testing.assert_array_equal(stack.read(whole(stack.shape)), expected)
    run()
    assert batch.table.states() == ["skipped"] * 3
    batch.form.existing.value = "replace"
    batch.form.strength.value = 0
    run()
    assert batch.table.states() == ["done"] * 3
    again = open_stack(tmp_path / "out" / "a.tif")
    np.testing.assert_array_equal(again.read(whole(again.shape)), np.load(folder / "a.npy"))


def test_a_failed_file_is_told_and_does_not_stop_the_rest(batch, run, errors, folder):
    (folder / "b.npy").write_bytes(b"no image at all")
    run()
    assert batch.table.states() == ["done", "failed", "done"]
    assert "may be damaged" in batch.table.item(1, 1).toolTip()
    assert "3 files: 2 done, 0 skipped, 1 failed." in batch.progress.label.text()
    assert "b.npy cannot be read" in batch.progress.label.text()
    assert len(errors()) == 1
    assert batch.run_button.isEnabled()


def test_cancel_keeps_what_is_finished(batch, qtbot, folder, unlimited, tmp_path):
    np.save(folder / "b.npy", unlimited)
    batch.form.batch.value = 1
    batch.run_button.click()
    assert not batch.form.isEnabled()
    qtbot.waitUntil(lambda: batch.table.states()[1] not in ("waiting", "0 %"), timeout=60_000)
    assert "1 of 3 files" in batch.progress.label.text()
    assert "left" in batch.progress.label.text()
    batch.cancel_button.click()
    qtbot.waitUntil(lambda: not batch.is_running, timeout=10_000)
    assert batch.table.states() == ["done", "cancelled", "waiting"]
    assert batch.progress.label.text() == "Cancelled. 3 files: 1 done, 0 skipped, 0 failed."
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.npy"]
    assert batch.run_button.isEnabled()
    assert not batch.cancel_button.isEnabled()


def test_wrong_input_is_notified(batch, run, errors):
    form = batch.form
    for field, value, message in (
        (form.inputs, "", "no images to denoise"),
        (form.inputs, "/nowhere/at/all", "There is no file or folder"),
        (form.pattern, "*.png", "No image was found"),
        (form.output, None, "no folder for the results"),
        (form.model, "clip-rn50", "no decoder yet"),
    ):
        before, n_errors = field.value, len(errors())
        field.value = value
        run()
        assert len(errors()) == n_errors + 1
        assert message in errors()[-1]
        assert batch.run_button.isEnabled()
        assert batch.progress.bar.maximum() > 0
        field.value = before


def test_folders_are_kept_on_demand(batch, run, errors, folder, tiny, tmp_path):
    (folder / "sub").mkdir()
    (folder / "b.npy").rename(folder / "sub" / "a.npy")
    batch.form.pattern.value = "**/*.npy"
    assert batch.form.kept_folders() == ()
    run()
    assert "Keep folders" in errors()[-1]
    assert not (tmp_path / "out").exists()
    batch.form.keep_folders.value = True
    assert batch.form.kept_folders() == (folder,)
    run()
    assert batch.table.states() == ["done"] * 3
    results = {
        path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("out/**/*.npy")
    }
    assert results == {"a.npy", "c.npy", "sub/a.npy"}
    for name in results:
        expected = denoise(np.load(folder / name), tiny, device="cpu")
        np.testing.assert_array_equal(np.load(tmp_path / "out" / name), expected)


def test_results_beside_their_sources_are_not_listed(batch, run, folder):
    batch.form.output.value = folder
    batch.form.format.value = ".tif"
    run()
    assert batch.table.states() == ["done"] * 3
    run()
    assert batch.table.states() == ["skipped"] * 3
    assert [batch.table.item(row, 0).text() for row in range(3)] == ["a.npy", "b.npy", "c.npy"]


def test_verification_is_shown_for_the_file_at_work(batch, folder):
    batch.table.list_files([Source(folder / "a.npy")])
    batch._take((BatchProgress(folder / "a.npy", 0.0, 3, 1.0, VERIFYING),))
    assert batch.progress.label.text() == f"0 of 3 files · {VERIFYING}"


def test_files_are_chosen_with_dialogs(batch, folder, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    chosen = [str(folder / "a.npy"), str(folder / "c.npy")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    batch.form.files_button.native.click()
    assert batch.table.states() == ["waiting"] * 2
    assert batch.form.chosen_sources() == [Source(folder / "a.npy"), Source(folder / "c.npy")]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    batch.form.folder_button.native.click()
    assert batch.table.states() == ["waiting"] * 3


def test_a_closed_window_ends_the_batch(viewer, batch, qtbot, folder, unlimited):
    np.save(folder / "a.npy", unlimited)
    batch.run_button.click()
    qtbot.waitUntil(lambda: batch.table.states()[0] not in ("waiting", "0 %"), timeout=60_000)
    token = batch.task.control
    viewer.close()
    qtbot.waitUntil(lambda: token.is_cancelled, timeout=10_000)
