import re
import shutil

import numpy as np
import pytest

from napari_clip_denoise.evaluation.scores.baselines import BASELINES
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.widgets.compare import CompareWidget


@pytest.fixture
def panel(viewer):
    """The Compare widget."""
    _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Compare")
    assert isinstance(panel, CompareWidget)
    return panel


def test_the_methods_are_those_of_the_library(panel):
    assert panel.methods.values() == ["compact", "compact-rgb", "tiny", *BASELINES]


def test_models_that_come_and_go_are_listed_before_the_classical_methods(
    panel, models_folder, tiny_file
):
    panel.methods.choose(["tiny", "nlm"])
    shutil.copy(tiny_file, models_folder / "lab.safetensors")
    model_list.changed.emit()
    assert panel.methods.values() == ["compact", "compact-rgb", "lab", "tiny", *BASELINES]
    assert panel.methods.chosen() == ["tiny", "nlm"]
    (models_folder / "tiny.safetensors").unlink()
    panel.hide()
    panel.show()
    assert panel.methods.values() == ["compact", "compact-rgb", "lab", *BASELINES]
    assert panel.methods.chosen() == ["nlm"]


def test_methods_are_shown_side_by_side(viewer, panel, qtbot, noisy, errors):
    layer = viewer.add_image(noisy, scale=(2, 0.5, 0.5))
    panel.methods.choose(["tiny", "gaussian"])
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 1] > 0, timeout=10_000)
    panel.run_button.click()
    qtbot.waitUntil(lambda: not panel.is_running, timeout=60_000)
    assert [each.name for each in viewer.layers] == ["noisy", "Noisy", "tiny", "Gaussian filter"]
    names = panel.names.labels
    assert [label.text() for label in names] == ["Noisy", "tiny", "Gaussian filter"]
    assert [label.isVisible() for label in names] == [True] * 3
    assert names[0].y() == names[1].y() < names[2].y()
    assert names[0].x() == names[2].x() < names[1].x()
    assert [each.visible for each in viewer.layers] == [False, True, True, True]
    assert viewer.canvas.grid.enabled
    assert viewer.canvas.grid.position(1, viewer.layers) == (0, 0)
    assert re.fullmatch(r"Noisy\ntiny · [\d.]+ s\nGaussian filter · [\d.]+ s", panel.label.text())
    plane = viewer.dims.current_step[0]
    shown = viewer.layers[1]
    first = np.rint(layer.world_to_data(shown.data_to_world((0, 0, 0)))).astype(int)
    assert first[0] == plane
    height, width = shown.data.shape[1:]
    expected = noisy[plane, first[1] : first[1] + height, first[2] : first[2] + width]
    np.testing.assert_array_equal(shown.data[0], expected)
    made = viewer.layers[2].metadata["napari_clip_denoise"]
    assert (made["model"], made["source"]) == ("tiny", "noisy")
    assert made["region"][1:] == [[first[1], first[1] + height], [first[2], first[2] + width]]
    assert viewer.layers[3].metadata["napari_clip_denoise"]["method"] == "gaussian"
    panel.methods.choose([])
    panel.run_button.click()
    assert "nothing to compare" in errors()[0]


def test_models_get_the_settings_of_the_denoise_panel(viewer, widget, panel, qtbot, noisy):
    layer = viewer.add_image(noisy)
    viewer.add_shapes([[[0, 10, 20], [0, 10, 59], [0, 49, 59], [0, 49, 20]]]).selected_data = {0}
    panel.layer.value = layer
    panel.methods.choose(["tiny"])
    widget.form.intensity.value, widget.form.strength.value = "minmax", 0
    panel.run_button.click()
    qtbot.waitUntil(lambda: not panel.is_running, timeout=60_000)
    shown = viewer.layers[-1]
    np.testing.assert_array_equal(shown.data[0], noisy[viewer.dims.current_step[0], 10:50, 20:60])
    assert shown.metadata["napari_clip_denoise"]["settings"]["intensity"] == "minmax"
    assert "intensity Smallest to largest, strength 0\u00a0%" in panel.progress.label.text()


def test_methods_are_ticked_and_have_full_names(panel):
    texts = [panel.methods.item(row).text() for row in range(panel.methods.count())]
    assert texts[0] == "Model compact"
    assert "Non-local means" in texts
    assert panel.methods.chosen() == ["compact", "gaussian", "nlm"]


def test_a_new_comparison_replaces_the_last_and_clear_restores_the_window(
    viewer, panel, qtbot, noisy
):
    layer = viewer.add_image(noisy)
    panel.methods.choose(["gaussian"])
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 1] > 0, timeout=10_000)
    for _ in range(2):
        panel.run_button.click()
        qtbot.waitUntil(lambda: not panel.is_running, timeout=60_000)
        assert len(viewer.layers) == 3
        assert viewer.canvas.grid.enabled
    panel.clear_button.click()
    qtbot.waitUntil(lambda: list(viewer.layers) == [layer])
    assert not viewer.canvas.grid.enabled
    assert viewer.canvas.grid.stride == 1
    assert layer.visible
    assert panel.names.labels == []
    assert not panel.label.text()
    assert not panel.clear_button.isEnabled()


def test_deleting_the_tiles_or_closing_the_panel_leaves_the_grid(viewer, panel, qtbot, noisy):
    layer = viewer.add_image(noisy)
    panel.methods.choose(["gaussian"])
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 1] > 0, timeout=10_000)
    panel.run_button.click()
    qtbot.waitUntil(lambda: not panel.is_running, timeout=60_000)
    viewer.canvas.grid.enabled = False
    qtbot.waitUntil(lambda: not panel.names.labels)
    del viewer.layers[1:]
    assert not viewer.canvas.grid.enabled
    panel.run_button.click()
    qtbot.waitUntil(lambda: not panel.is_running, timeout=60_000)
    viewer.window.remove_dock_widget(panel)
    assert list(viewer.layers) == [layer]
    assert not viewer.canvas.grid.enabled
