import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.gui.widgets.denoise import DenoiseWidget
from napari_clip_denoise.gui.widgets.fine_tune import FineTuneWidget, describe
from napari_clip_denoise.models.folder import models_folder as user_folder
from napari_clip_denoise.training.finetune.progress import Learning

WAIT = 240_000


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(0)
    return 300 * gaussian_filter((rng.random((2, 200, 200)) > 0.995) * 10.0, (0, 2, 2))


@pytest.fixture(scope="module")
def grainy(clean):
    return clean + np.random.default_rng(1).normal(0, 30, clean.shape)


@pytest.fixture
def both(make_napari_viewer, tiny_model, quick_fine_tuning):
    """The Fine-tune and the Denoise widget in a window, with small and quick settings."""
    viewer = make_napari_viewer(show=True)
    _, denoise = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise")
    _, widget = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Fine-tune")
    assert isinstance(widget, FineTuneWidget)
    assert isinstance(denoise, DenoiseWidget)
    widget.form.model.value = "tiny"
    widget.form.device.value = "cpu"
    widget.form.minutes.value = 30
    return widget, denoise, viewer


def wait_for_judgements(widget, qtbot, count):
    qtbot.waitUntil(lambda: widget.plot.n_judged > count, timeout=WAIT)


def test_a_model_learns_is_saved_and_offered_at_once(both, qtbot, grainy, clean):
    widget, denoise, viewer = both
    viewer.add_image(grainy, name="grainy")
    viewer.add_image(clean, name="clean")
    form = widget.form
    form.noisy.value, form.kind.value = viewer.layers["grainy"], "clean"
    form.other.value = viewer.layers["clean"]
    form.name.value = "mine"
    widget.start_button.click()
    assert not widget.start_button.isEnabled()
    wait_for_judgements(widget, qtbot, 1)
    assert widget.reason.text().startswith("Training method: supervised")
    assert "left" in widget.progress.label.text()
    assert all(picture.image is not None for picture in widget.plot.pictures)
    widget.stop_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)
    assert "is better than the base model" in widget.progress.label.text()
    assert "mine" not in denoise.form.model.choices
    widget.save_button.click()
    assert "mine" in denoise.form.model.choices
    assert (user_folder() / "mine.safetensors").exists()
    assert not widget.save_button.isEnabled()
    assert form.name.value == "mine-2"
    form.name.value = "mine"
    widget.start_button.click()
    assert not widget.is_running, "the name is taken now"
    assert type(form)(viewer).name.value == "my-microscope"


def test_cancel_keeps_nothing(both, qtbot, grainy):
    widget, _, viewer = both
    viewer.add_image(grainy)
    widget.start_button.click()
    wait_for_judgements(widget, qtbot, 1)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)
    assert widget.progress.label.text() == "Cancelled; nothing was kept."
    assert not widget.save_button.isEnabled()
    assert not list((user_folder() / ".unfinished").iterdir())


def test_the_window_answers_while_a_model_learns(both, qtbot, grainy):
    widget, _, viewer = both
    viewer.add_image(grainy)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(widget.plot._steps[-1:]))
    timer.start(1)
    widget.start_button.click()
    wait_for_judgements(widget, qtbot, 5)
    timer.stop()
    assert len({tuple(tick) for tick in ticks}) > 2
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)


def test_a_closed_window_ends_the_training(both, qtbot, grainy):
    widget, _, viewer = both
    viewer.add_image(grainy)
    widget.start_button.click()
    wait_for_judgements(widget, qtbot, 1)
    control = widget.task.control
    viewer.close()
    qtbot.waitUntil(lambda: control.is_cancelled, timeout=WAIT)


def test_a_folder_can_be_learned_from(both, qtbot, grainy, tmp_path):
    widget, _, _ = both
    np.save(tmp_path / "a.npy", grainy)
    assert not widget.form.noisy_folder.native.isHidden()
    widget.form.noisy_folder.value = tmp_path
    widget.start_button.click()
    wait_for_judgements(widget, qtbot, 1)
    assert "only noisy images" in widget.reason.text()
    widget.stop_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)


def test_layers_that_the_plugin_made_are_never_preselected(both, grainy):
    widget, _, viewer = both
    form = widget.form
    made = {"napari_clip_denoise": {"source": "grainy"}}
    residual = viewer.add_image(grainy, name="grainy residual", metadata=made)
    assert form.noisy.value == "folder"
    source = viewer.add_image(grainy, name="grainy")
    assert form.noisy.value == source
    viewer.layers.selection.active = residual
    again = type(form)(viewer)
    assert again.noisy.value == source
    assert residual in again.noisy.choices
    viewer.layers.remove(source)
    assert form.noisy.value == "folder"


def test_rows_that_do_not_matter_are_hidden(both, grainy):
    form, viewer = both[0].form, both[2]
    viewer.add_image(grainy, axis_labels=("t", "y", "x"))
    form.noisy.value = viewer.layers[0]
    assert form.noisy_folder.native.isHidden()
    assert form.other.native.isHidden()
    form.kind.value = "axis"
    assert form.repeat_axis.choices == ("t",)
    assert form.settings().repeat_axis == "t"
    form.kind.value = "repeats"
    assert not form.other.native.isHidden()
    assert form.settings().repeat_axis is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: None, "choose a layer or a folder"),
        (lambda f: setattr(f.objective, "value", "synthetic"), "needs clean images"),
        (lambda f: setattr(f.noisy_folder, "value", "/no/where"), "no file or folder"),
    ],
)
def test_wrong_input_is_notified(both, qtbot, errors, change, message):
    widget = both[0]
    change(widget.form)
    widget.start_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)
    assert len(errors()) == 1
    assert message in errors()[0]
    assert widget.start_button.isEnabled()


def test_a_name_that_is_no_file_name_is_notified(both, errors, grainy):
    widget, _, viewer = both
    viewer.add_image(grainy)
    widget.form.name.value = "a b"
    widget.start_button.click()
    assert not widget.is_running
    words = "'a b' cannot be the name of a model; use letters, digits, '.', '_' and '-'."
    assert errors() == [words]
    assert widget.progress.label.text() == words


def test_opening_the_widget_does_not_load_torch():
    code = "import sys, napari_clip_denoise.gui.widgets.fine_tune; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_progress_in_words():
    learning = Learning(120, 0.5, 60, 185, 0.1, None, 10**-2.2, 10**-2.1)
    assert describe(learning) == "step 120 · 21.00 -> 22.00 dB · 3 min 05 s left"


def test_a_plot_without_a_single_step_is_drawn(both):
    plot = both[0].plot
    plot.refresh()
    assert not plot.grab().isNull()
    assert plot.n_judged == 0
