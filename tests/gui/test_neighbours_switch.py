import numpy as np
import pytest

from napari_clip_denoise.models.checkpoint import save_model
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture
def told_widget(widget, told, models_folder):
    save_model(told, models_folder / "told.safetensors")
    widget.form.model.reset_choices()
    widget.form.model.value = "told"
    plane = fluorescence((96, 96), seed=1)
    movie = plane + np.random.default_rng(0).normal(0, 0.05, (4, 96, 96))
    widget.form._viewer.add_image(movie.astype(np.float32), name="movie")
    return widget


def test_the_switch_uses_one_plane_on_each_side(widget):
    form = widget.form
    assert form.settings().context == 0
    form.neighbours.value = True
    assert form.settings().context == 1


def test_planes_are_aligned_only_with_neighbours(widget):
    form = widget.form
    assert not form.align.native.isVisible()
    form.neighbours.value = True
    assert form.align.native.isVisible()
    form.align.value = True
    assert form.settings().context_align
    form.neighbours.value = False
    assert not form.align.native.isVisible()
    assert not form.settings().context_align


def test_the_window_says_that_neighbours_agree(told_widget, qtbot):
    hint = told_widget.neighbours_hint
    qtbot.waitUntil(lambda: not hint.isHidden(), timeout=20_000)
    assert hint.text().startswith("Neighbouring planes along z look alike:")
    told_widget.form.model.value = "tiny"
    qtbot.waitUntil(hint.isHidden, timeout=20_000)


def test_the_window_says_that_planes_drift(told_widget, qtbot):
    hint = told_widget.neighbours_hint
    wide = fluorescence((128, 128), seed=1)
    planes = [wide[8 * t : 96 + 8 * t, 8:104] for t in range(4)]
    movie = np.stack(planes) + np.random.default_rng(0).normal(0, 0.05, (4, 96, 96))
    told_widget.form._viewer.add_image(movie.astype(np.float32), name="drifting")
    told_widget.form.layer.value = told_widget.form._viewer.layers["drifting"]
    qtbot.waitUntil(lambda: "'Align planes' is likely" in hint.text(), timeout=20_000)
    assert hint.text().startswith("Neighbouring planes along z drift by about 7.9 pixels")
