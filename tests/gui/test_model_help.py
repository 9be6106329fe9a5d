from dataclasses import replace

import numpy as np
import pytest

from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.models.checkpoint import save_model
from napari_clip_denoise.models.folder import SUFFIX
from napari_clip_denoise.models.library import add_file
from zoo_packages import box

ADVICE = "'compact-rgb' is for RGB images"


@pytest.fixture
def note(widget):
    """What is said of the model."""
    return widget.help.note


def test_a_model_that_suits_needs_no_words(widget, note):
    assert widget.help.isHidden()
    widget.form.model.value = "auto"
    assert widget.help.isHidden()
    widget.form.model.value = "compact-rgb"
    assert widget.help.isHidden(), "there is no layer that it would not suit"


def test_a_model_for_rgb_is_advised_against_on_grey_layers(widget, viewer, note):
    colour = viewer.add_image(np.zeros((16, 16, 3), np.uint8), rgb=True)
    grey = viewer.add_image(np.zeros((16, 16), np.uint8))
    widget.form.layer.value = colour
    widget.form.model.value = "compact-rgb"
    assert widget.help.isHidden()
    widget.form.layer.value = grey
    assert ADVICE in note.text()
    assert note.isVisible()
    widget.form.model.value = "auto"
    assert widget.help.isHidden()


def test_a_package_is_told_to_bring_its_own_mapping(widget, note, models_folder, tmp_path):
    add_file(box(tmp_path / "box.zip"), name="lab")
    model_list.changed.emit()
    widget.form.model.value = "lab"
    assert "brings its own intensity mapping" in note.text()
    assert note.isVisibleTo(widget.help)
    widget.form.model.value = "compact"
    assert widget.help.isHidden()


def test_a_model_whose_file_is_gone_is_told_and_leaves_the_menu(
    widget, note, models_folder, errors
):
    widget.form.model.value = "compact"
    (models_folder / f"tiny{SUFFIX}").unlink()
    widget.form.model.value = "tiny"
    assert "The model 'tiny' no longer exists" in note.text()
    assert note.isVisible()
    assert "tiny" not in widget.form.model.choices
    assert widget.form.model.value == "auto"
    assert errors() == []
    widget.form.model.value = "compact"
    assert widget.help.isHidden()


def test_a_model_whose_file_is_damaged_is_told(widget, note, models_folder, errors):
    widget.form.model.value = "compact"
    (models_folder / f"tiny{SUFFIX}").write_bytes(b"cut")
    widget.form.model.value = "tiny"
    assert "is damaged" in note.text()
    assert widget.form.model.value == "tiny"
    assert errors() == []


def test_a_model_with_a_scale_of_its_own_says_so(widget, viewer, note, tiny, models_folder):
    card = tiny.card.model_copy(update={"name": "own", "clip_input": True, "intensity": "window"})
    save_model(replace(tiny, card=card), models_folder / f"own{SUFFIX}")
    viewer.add_image(np.zeros((16, 16), np.uint8))
    model_list.changed.emit()
    widget.form.model.value = "own"
    assert "uses the scale that it was trained with: CT window (HU)." in note.text()
    assert note.isVisible()
    widget.form.intensity.value = "minmax"
    assert widget.help.isHidden()


def test_a_long_name_does_not_widen_the_panel(widget, viewer):
    before = widget.form.minimumSizeHint().width()
    name = "actin " * 20
    viewer.add_image(np.zeros((16, 16)), name=name)
    assert widget.form.layer.value.name == name
    assert widget.form.minimumSizeHint().width() == before
    assert name in widget.form.layer.native.toolTip()
