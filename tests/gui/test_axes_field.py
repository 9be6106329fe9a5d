"""The axes of a layer: as read, corrected in place, and what is on screen."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_clip_denoise import denoise


@pytest.fixture
def unequal(noisy):
    """Two channels (2, 3, 90, 110) of very different brightness, uint16."""
    return np.stack([noisy[:3], noisy[1:] // 20])


def test_the_axes_are_shown_as_read(viewer, widget, noisy):
    axes = widget.form.axes
    assert not axes.line.isEnabled()
    viewer.add_image(noisy, axis_labels=("time", "y", "x"))
    assert axes.line.text() == "t y x"
    assert not axes.note.isVisible()
    widget.form.layer.value = viewer.add_image(noisy[0], name="plane")
    assert axes.line.text() == "y x"
    rgb = np.zeros((20, 30, 3), np.uint8)
    widget.form.layer.value = viewer.add_image(rgb, rgb=True)
    assert axes.line.text() == "y x"


def test_channels_without_labels_are_warned_of_and_corrected_with_one_click(
    viewer, widget, run, unequal, tiny, qtbot
):
    layer = viewer.add_image(unequal)
    axes = widget.form.axes
    assert axes.line.text() == "t z y x"
    assert axes.note.isVisible()
    assert "first axis has no label and is only 2 long" in axes.note.text()
    axes.note.linkActivated.emit("c")
    assert axes.line.text() == "c z y x"
    assert layer.axis_labels == ("c", "z", "y", "x")
    assert not axes.note.isVisible()
    expected = denoise(unequal, tiny, axes="czyx", device="cpu")
    np.testing.assert_array_equal(run().data, expected)


def test_axes_are_typed_and_wrong_ones_are_refused(viewer, widget, errors, unequal, qtbot):
    layer = viewer.add_image(unequal)
    line = widget.form.axes.line

    def type_in(text):
        line.selectAll()
        qtbot.keyClicks(line, text)
        qtbot.keyClick(line, Qt.Key.Key_Return)

    type_in("z c y x")
    assert layer.axis_labels == ("z", "c", "y", "x")
    type_in("c z x")
    assert "name 3 dimensions, but the image has 4" in errors()[-1]
    assert line.text() == "z c y x"
    assert layer.axis_labels == ("z", "c", "y", "x")


def test_a_long_first_axis_is_not_warned_of(viewer, widget):
    viewer.add_image(np.zeros((6, 20, 20)))
    assert not widget.form.axes.note.isVisible()


@pytest.mark.parametrize("change", ["roll", "3D"])
def test_a_plane_that_is_not_on_screen_is_refused(viewer, widget, run, errors, noisy, change):
    viewer.add_image(noisy)
    widget.form.scope.value = "plane"
    if change == "roll":
        viewer.dims.roll()
    else:
        viewer.dims.ndisplay = 3
    assert run() is None
    assert "roll the axes until y and x are shown" in errors()[0]
    assert len(viewer.layers) == 1
    widget.preview.toggle.click()
    assert "roll the axes until y and x are shown" in widget.preview.label.text()
    widget.preview.toggle.click()
    widget.form.scope.value = "layer"
    assert run() is not None
