import dask.array as da
import numpy as np
import pytest
import zarr
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from napari.utils import progress
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QPushButton

from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.gui.workers import denoise as workers

PLACE = {
    "scale": (0.5, 0.2, 0.1),
    "translate": (1, 2, 3),
    "rotate": (10, 20, 30),
    "shear": (0.1, 0.2, 0.3),
    "affine": np.diag([1, 2, 3, 1]),
    "units": ("micrometer",) * 3,
    "axis_labels": ("z", "y", "x"),
    "colormap": "magma",
    "contrast_limits": (100, 900),
}


def test_the_result_lies_on_its_source(viewer, run, noisy, tiny):
    layer = viewer.add_image(noisy, name="cells", **PLACE)
    result = run()
    assert result.name == "cells denoised, tiny"
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(result, name), getattr(layer, name), err_msg=name)
    np.testing.assert_allclose(result.affine.affine_matrix, layer.affine.affine_matrix)
    for name in ("units", "axis_labels", "contrast_limits"):
        assert tuple(getattr(result, name)) == tuple(getattr(layer, name)), name
    assert result.colormap.name == "magma"
    assert result.data.dtype == noisy.dtype
    np.testing.assert_array_equal(result.data, denoise(noisy, tiny, device="cpu"))
    np.testing.assert_array_equal(layer.data, noisy)
    assert result.metadata["napari_clip_denoise"]["model"] == "tiny"


@pytest.mark.parametrize("kind", ["dask", "zarr", "multiscale", "2D", "float"])
def test_all_kinds_of_layers(viewer, run, noisy, tiny, kind):
    data = {
        "dask": lambda: da.from_array(noisy, chunks=(1, 50, 50)),
        "zarr": lambda: zarr.create_array({}, data=noisy, chunks=(1, 50, 50)),
        "multiscale": lambda: [noisy, noisy[:, ::2, ::2]],
        "2D": lambda: noisy[0],
        "float": lambda: noisy.astype(np.float32) / 7,
    }[kind]()
    layer = viewer.add_image(data)
    assert layer.multiscale == (kind == "multiscale")
    result = run()
    source = layer.data[0] if layer.multiscale else layer.data
    expected = denoise(np.asarray(source), tiny, device="cpu")
    np.testing.assert_array_equal(np.asarray(result.data), expected)
    assert not result.multiscale


def test_rgb_layers(viewer, run, noisy, tiny):
    image = np.stack([noisy // 20, noisy // 10, noisy // 30], axis=-1).clip(0, 255).astype("u1")
    viewer.add_image(image, rgb=True)
    result = run()
    assert result.rgb
    expected = denoise(image, tiny, axes="zyxs", device="cpu")
    np.testing.assert_array_equal(result.data, expected)


def test_rgb_layers_get_their_own_model(viewer, widget, run, noisy):
    image = np.stack([noisy[0] // 20] * 3, axis=-1).clip(0, 255).astype("u1")
    viewer.add_image(image, rgb=True)
    widget.form.model.value = "auto"
    assert run().metadata["napari_clip_denoise"]["model"] == "compact-rgb"


def test_the_current_plane_is_that_plane_of_the_whole(viewer, widget, run, noisy):
    layer = viewer.add_image(noisy, **PLACE)
    everything = run()
    widget.form.layer.value = layer
    widget.form.scope.value = "plane"
    viewer.dims.set_point(0, layer.data_to_world((2, 45, 55))[0])
    position = layer.world_to_data(viewer.dims.point)
    index = int(np.clip(np.rint(position[0]), 0, 3))
    plane = run()
    assert plane.name == f"noisy denoised, tiny, z {index}"
    assert plane.data.shape == (1, 90, 110)
    difference = plane.data[0].astype(int) - everything.data[index]
    assert np.abs(difference).max() <= 1
    np.testing.assert_allclose(
        plane.data_to_world((0, 7, 9)), layer.data_to_world((index, 7, 9)), rtol=1e-6
    )


def test_other_axes_of_the_viewer_do_not_matter(viewer, widget, run, noisy):
    viewer.add_image(np.zeros((3, 4, 90, 110)), name="other")
    layer = viewer.add_image(noisy[0], name="plane")
    widget.form.layer.value = layer
    widget.form.scope.value = "plane"
    assert run().data.shape == noisy[0].shape


def test_a_store_is_filled_and_named_at_the_end(viewer, widget, run, noisy, tiny, tmp_path):
    store = tmp_path / "result.ome.zarr"
    viewer.add_image(noisy, scale=(0.5, 0.2, 0.1), units=("micrometer",) * 3)
    widget.form.store.value = store
    result = run()
    assert result.visible
    stored = open_stack(store)
    expected = denoise(noisy, tiny, device="cpu")
    np.testing.assert_array_equal(np.asarray(result.data), expected)
    np.testing.assert_array_equal(np.asarray(stored.array), expected)
    assert stored.metadata.scale == (0.5, 0.2, 0.1)
    assert stored.metadata.units == ("micrometer",) * 3
    assert [path.name for path in tmp_path.iterdir()] == [store.name]


def test_the_suffix_is_added_and_a_file_is_only_replaced_if_allowed(
    viewer, widget, run, errors, qtbot, noisy, tmp_path
):
    viewer.add_image(noisy)
    form = widget.form
    assert not form.overwrite.native.isVisible()
    line = form.store.line_edit.native
    qtbot.keyClicks(line, str(tmp_path / "result"))
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert form.chosen_store() == tmp_path / "result.ome.zarr"
    assert line.text() == str(tmp_path / "result.ome.zarr")
    assert form.overwrite.native.isVisible()
    assert run() is not None
    form.strength.value = 0
    assert run() is None
    assert "already exists; give another name or allow overwriting" in errors()[0]
    form.overwrite.value = True
    assert run() is not None
    np.testing.assert_array_equal(np.asarray(open_stack(tmp_path / "result.ome.zarr").array), noisy)


@pytest.mark.parametrize("to_store", [False, True])
def test_cancel_leaves_nothing(viewer, widget, qtbot, tmp_path, unlimited, to_store):
    viewer.add_image(unlimited)
    if to_store:
        widget.form.store.value = tmp_path / "result.ome.zarr"
    else:
        widget.form.batch.value = 1
    widget.run_button.click()
    assert not widget.run_button.isEnabled()
    qtbot.waitUntil(lambda: 0 < widget.progress.fraction < 1, timeout=60_000)
    assert "planes/s" in widget.progress.label.text()
    assert "left" in widget.progress.label.text()
    assert len(viewer.layers) == 2
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)
    assert [layer.name for layer in viewer.layers] == ["unlimited"]
    assert not list(tmp_path.iterdir())
    assert widget.run_button.isEnabled()
    assert not widget.cancel_button.isEnabled()
    assert widget.progress.label.text() == "Cancelled; nothing was kept."


def test_the_window_answers_during_a_run(viewer, widget, qtbot, unlimited):
    viewer.add_image(unlimited)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(widget.progress.bar.value()))
    timer.start(20)
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(set(ticks)) > 3, timeout=60_000)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)
    timer.stop()
    assert len(ticks) > 20


def test_a_closed_window_ends_the_run(viewer, widget, qtbot, unlimited):
    viewer.add_image(unlimited)
    widget.run_button.click()
    qtbot.waitUntil(lambda: widget.progress.fraction > 0, timeout=60_000)
    token = widget.task.control
    viewer.close()
    qtbot.waitUntil(lambda: token.is_cancelled, timeout=10_000)


def title_bar_button(widget, name):
    dock = widget.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    return dock.titleBarWidget().findChild(QPushButton, name)


def test_closing_the_panel_cancels_the_run_and_removes_the_unfinished_layer(
    viewer, widget, qtbot, unlimited
):
    source = viewer.add_image(unlimited)
    widget.run_button.click()
    qtbot.waitUntil(lambda: widget.progress.fraction > 0, timeout=60_000)
    assert len(viewer.layers) == 2
    token = widget.task.control
    qtbot.mouseClick(title_bar_button(widget, "QTitleBarCloseButton"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: list(viewer.layers) == [source], timeout=10_000)
    assert token.is_cancelled
    qtbot.waitUntil(lambda: not progress._all_instances, timeout=5_000)
    qtbot.wait(500)
    assert list(viewer.layers) == [source]


def test_a_hidden_panel_goes_on(viewer, widget, qtbot, unlimited):
    viewer.add_image(unlimited)
    widget.run_button.click()
    qtbot.waitUntil(lambda: widget.progress.fraction > 0, timeout=60_000)
    qtbot.mouseClick(title_bar_button(widget, "QTitleBarHideButton"), Qt.MouseButton.LeftButton)
    assert widget.is_running
    assert not widget.task.control.is_cancelled
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)


def test_deleting_the_result_cancels_the_run(viewer, widget, qtbot, unlimited):
    source = viewer.add_image(unlimited)
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    del viewer.layers[1]
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)
    assert list(viewer.layers) == [source]
    assert widget.progress.label.text() == "Cancelled; nothing was kept."


def test_the_activity_dock_shows_the_run(viewer, widget, qtbot, unlimited):
    viewer.add_image(unlimited)
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(progress._all_instances) == 1, timeout=5_000)
    (entry,) = progress._all_instances
    assert entry.desc.startswith("Loading the model")
    qtbot.waitUntil(lambda: entry.n > 0, timeout=60_000)
    assert "planes" in entry.desc
    bars = widget.window().findChildren(QtLabeledProgressBar)
    assert [bar.qt_progress_bar.value() for bar in bars] == [entry.n]
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)
    qtbot.waitUntil(lambda: not progress._all_instances, timeout=5_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, p: setattr(f.model, "value", "clip-rn50"), "has no decoder yet"),
        (lambda f, p: setattr(f.store, "value", p / "result.tif"), "only OME-Zarr can be written"),
        (lambda f, p: setattr(f.store, "value", p), "is a folder; add the name of a file"),
        (lambda f, p: setattr(f.store, "value", p / "no" / "a.zarr"), "no folder"),
        (lambda f, p: setattr(f.tile, "value", 512) or setattr(f.device, "value", "mps"), "'mps'"),
    ],
    ids=["no decoder", "suffix", "no name", "folder", "device"],
)
def test_wrong_input_is_notified(viewer, widget, run, errors, noisy, tmp_path, change, message):
    viewer.add_image(noisy)
    change(widget.form, tmp_path)
    assert run() is None
    assert len(errors()) == 1
    assert message in errors()[0]
    assert widget.run_button.isEnabled()
    assert widget.progress.bar.maximum() > 0


def test_without_an_image_it_says_so(widget, errors):
    widget.run_button.click()
    assert errors() == ["There is no image layer to denoise; open an image first."]


def test_a_result_too_large_for_memory_asks_for_a_store(viewer, run, errors, noisy, monkeypatch):
    monkeypatch.setattr(workers, "MEMORY_BYTES", 1000)
    viewer.add_image(noisy)
    assert run() is None
    assert "choose an OME-Zarr file under 'Save to'" in errors()[0]


def test_a_source_removed_during_the_run_does_no_harm(viewer, widget, qtbot, noisy):
    layer = viewer.add_image(noisy)
    widget.run_button.click()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    assert len(viewer.layers) == 1
