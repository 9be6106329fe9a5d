"""Fixtures for the napari window."""

import shutil

import numpy as np
import pytest

from napari_clip_denoise.gui.widgets.denoise import DenoiseWidget
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.finetune import settings as finetune_settings

RUN_MILLISECONDS = 60_000


@pytest.fixture(autouse=True)
def plugin_settings(tmp_path_factory, monkeypatch):
    """Keep the tests away from the user's settings of the plugin; gives their file."""
    import napari.settings

    folder = tmp_path_factory.mktemp("napari")
    if not hasattr(napari.settings, "get_plugin_settings"):  # before napari 0.9
        yield folder / "napari-clip-denoise.yaml"
        return
    monkeypatch.setattr(napari.settings, "_CFG_PATH", str(folder / "settings.yaml"))
    napari.settings._clear_plugin_settings_cache()
    yield folder / "napari-clip-denoise.yaml"
    napari.settings._clear_plugin_settings_cache()


@pytest.fixture(scope="session")
def noisy():
    """A noisy stack (4, 90, 110), uint16."""
    return acquire(fluorescence((4, 90, 110), seed=1), seed=1).noisy


@pytest.fixture
def tiny_model(tiny_file, models_folder):
    """Puts the tiny model into the models folder, as ``tiny``."""
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")


@pytest.fixture
def quick_fine_tuning(monkeypatch):
    """Makes the Fine-tune form ask for small patches and frequent judgements."""
    original = finetune_settings.make_fine_tune_settings

    def quick(**values):
        small = {"batch": 2, "patch": 32, "validate_every": 3, "held_out": 8, "learning_rate": 3e-3}
        return original(**values | small)

    monkeypatch.setattr("napari_clip_denoise.gui.forms.fine_tune.make_fine_tune_settings", quick)


@pytest.fixture
def widget(make_napari_viewer, tiny_model):
    """The widget in a viewer's window, with the tiny model chosen."""
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
