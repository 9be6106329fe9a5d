"""Layers that cannot be denoised must not upset the panels."""

import numpy as np
import pytest

NAMES = ["Denoise", "Check result", "Compare", "Fine-tune"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("panel_first", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        np.eye(40, dtype=bool),
        np.random.default_rng(0).random((5, 20, 30)) > 0.5,
        np.zeros((1,) * 8 + (20, 30)),
    ],
    ids=["bool 2D", "bool 3D", "10D"],
)
def test_they_raise_no_error_when_they_are_added(
    make_napari_viewer, tiny_model, qtbot, errors, name, panel_first, data
):
    viewer = make_napari_viewer(show=True)
    if panel_first:
        _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", name)
    viewer.add_image(data)
    if not panel_first:
        _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", name)
    qtbot.wait(50)
    assert errors() == []
    if name == "Denoise":
        panel.run_button.click()
        qtbot.waitUntil(lambda: not panel.is_running)
        assert len(errors()) == (data.dtype == bool)
