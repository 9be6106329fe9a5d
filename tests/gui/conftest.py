"""Fixtures for the napari window."""

import shutil

import numpy as np
import pytest

from napari_clip_denoise.gui.denoise import DenoiseWidget
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulate import fluorescence

RUN_MILLISECONDS = 60_000


@pytest.fixture(autouse=True)
def plugin_settings(tmp_path_factory, monkeypatch):
    """Keep the tests away from the user's settings of the plugin; gives their file."""
    import napari.settings

    folder = tmp_path_factory.mktemp("napari")
    monkeypatch.setattr(napari.settings, "_CFG_PATH", str(folder / "settings.yaml"))
    napari.settings._clear_plugin_settings_cache()
    yield folder / "napari-clip-denoise.yaml"
    napari.settings._clear_plugin_settings_cache()


@pytest.fixture(scope="session")
def noisy():
    """A noisy stack (4, 90, 110), uint16."""
    return acquire(fluorescence((4, 90, 110), seed=1), seed=1).noisy


@pytest.fixture
def widget(make_napari_viewer, tiny_file, models_folder):
    """The widget in a viewer's window, with the tiny model chosen."""
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise")
    assert isinstance(widget, DenoiseWidget)
    widget.form.model.value = "tiny"
    widget.form.device.value = "cpu"
    return widget


@pytest.fixture
def viewer(widget):
    """The viewer of `widget`."""
    return widget._viewer


@pytest.fixture
def run(widget, qtbot):
    """Press the button, wait until the run is over, and give its layer."""

    def press():
        before = set(widget._viewer.layers)
        widget.run_button.click()
        qtbot.waitUntil(lambda: not widget.is_running, timeout=RUN_MILLISECONDS)
        new = [layer for layer in widget._viewer.layers if layer not in before]
        assert len(new) <= 1
        return new[0] if new else None

    return press


@pytest.fixture
def errors():
    """The messages that napari notifies of."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()

    def messages():
        return [
            record.message
            for record in notification_manager.records
            if record.severity.value == "error"
        ]

    return messages


@pytest.fixture
def unlimited():
    """A stack that takes far longer than any test."""
    return np.random.default_rng(0).integers(0, 999, (2000, 256, 256), np.uint16)
