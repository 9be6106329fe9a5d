"""Preview, Hold to compare and Curtain: what is on screen, before and after a run."""

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import Qt

WAIT = 60_000


@pytest.fixture
def picture(viewer, qtbot):
    """The canvas, once nothing more is being drawn."""
    viewer.window._qt_window.resize(1280, 800)
    entry = progress(total=1)  # the first one makes the status bar a pixel higher for good
    qtbot.wait(300)
    entry.close()
    qtbot.wait(300)

    def take():
        qtbot.waitUntil(lambda: not progress._all_instances, timeout=30_000)
        qtbot.wait(250)
        return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)

    return take


@pytest.fixture
def preview(widget, qtbot):
    """Switches the preview on and waits for it."""

    def switch_on():
        widget.preview.toggle.click()
        live = widget.preview.preview
        qtbot.waitUntil(lambda: live.layer is not None and not live.is_working, timeout=WAIT)
        return live

    return switch_on


def differs(one, other):
    """Number of canvas pixels that differ by more than rounding."""
    height, width = np.minimum(one.shape[:2], other.shape[:2])  # a canvas may grow by a pixel
    one, other = one[:height, :width], other[:height, :width]
    return int((np.abs(one - other).max(axis=-1) > 8).sum())


def is_rather(picture, one, other):
    """Whether a picture is one of two, but for the edges of enlarged pixels that are cut anew."""
    return differs(picture, one) < 0.2 * differs(one, other) and differs(picture, other) > 400


def test_a_preview_after_a_run_is_seen(viewer, widget, run, preview, picture, noisy):
    viewer.add_image(noisy)
    original = picture()
    run()
    denoised = picture()
    assert differs(original, denoised) > 1000
    widget.form.strength.value = 0
    live = preview()
    assert live.layer == viewer.layers[-1]
    assert is_rather(picture(), original, denoised)
    widget.preview.toggle.click()
    assert differs(picture(), denoised) == 0


def test_a_preview_stays_above_images_that_are_added_and_below_shapes(viewer, preview, noisy):
    viewer.add_image(noisy, name="cells")
    shapes = viewer.add_shapes([[[0, 0, 0], [0, 9, 9]]], shape_type="line", name="line")
    live = preview()
    assert [layer.name for layer in viewer.layers] == ["cells", "cells preview", "line"]
    viewer.add_image(np.zeros_like(noisy), name="black")
    live.tick()
    live.tick()
    assert [layer.name for layer in viewer.layers][-2:] == ["black", "cells preview"]
    assert shapes in viewer.layers


def test_hold_to_compare_shows_the_image_under_a_result(viewer, widget, run, picture, qtbot, noisy):
    source = viewer.add_image(noisy)
    original = picture()
    assert not widget.preview.compare.isEnabled()
    result = run()
    denoised = picture()
    assert widget.preview.compare.isEnabled()
    qtbot.mousePress(widget.preview.compare, Qt.MouseButton.LeftButton)
    assert differs(picture(), original) == 0
    qtbot.mouseRelease(widget.preview.compare, Qt.MouseButton.LeftButton)
    assert differs(picture(), denoised) == 0
    assert (source.visible, result.visible) == (True, True)


def test_holding_hides_results_below_a_preview_too(
    viewer, widget, run, preview, picture, qtbot, noisy
):
    viewer.add_image(noisy)
    original = picture()
    run()
    preview()
    qtbot.mousePress(widget.preview.compare, Qt.MouseButton.LeftButton)
    qtbot.wait(150)
    assert differs(picture(), original) == 0
    qtbot.mouseRelease(widget.preview.compare, Qt.MouseButton.LeftButton)
    assert differs(picture(), original) > 1000


@pytest.mark.parametrize("blending", ["translucent", "additive"])
@pytest.mark.parametrize("previewed", [False, True])
def test_the_curtain_divides_noisy_from_denoised(
    viewer, widget, run, preview, picture, qtbot, noisy, blending, previewed
):
    layer = viewer.add_image(noisy, blending=blending)
    original = picture()
    if previewed:
        preview()
    else:
        run()
    denoised = picture()
    widget.preview.curtain.setValue(100)
    qtbot.wait(150)
    both = picture()
    middle = both.shape[1] // 2
    left, right = np.s_[:, : middle - 8], np.s_[:, middle + 8 :]
    assert is_rather(both[left], original[left], denoised[left])
    assert is_rather(both[right], denoised[right], original[right])
    widget.preview.curtain.setValue(0)
    qtbot.wait(150)
    assert differs(picture(), denoised) == 0
    if previewed:
        widget.preview.toggle.click()
        assert list(viewer.layers) == [layer]
        assert layer.visible
    else:
        assert len(viewer.layers) == 2


def test_the_curtain_follows_the_slider_and_goes_with_the_panel(
    viewer, widget, run, picture, qtbot, noisy
):
    viewer.add_image(noisy)
    viewer.dims.set_current_step(0, 3)
    original = picture()
    run()
    denoised = picture()
    widget.preview.curtain.setValue(100)
    viewer.dims.set_current_step(0, 0)
    qtbot.wait(200)
    viewer.dims.set_current_step(0, 3)
    left = np.s_[:, : original.shape[1] // 2 - 8]
    qtbot.waitUntil(
        lambda: is_rather(picture()[left], original[left], denoised[left]), timeout=5_000
    )
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=5_000)
    assert all(layer.visible for layer in viewer.layers)


def test_a_run_opens_the_curtain_which_then_divides_the_newest_result(
    viewer, widget, run, qtbot, noisy
):
    viewer.add_image(noisy)
    first = run()
    widget.preview.curtain.setValue(100)
    qtbot.waitUntil(lambda: not first.visible)
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)
    assert widget.preview.curtain.value() == 0
    assert first.visible
    widget.preview.curtain.setValue(100)
    second = viewer.layers[2]
    qtbot.waitUntil(lambda: first.visible and not second.visible, timeout=5_000)
    names = [layer.name for layer in viewer.layers]
    assert names[-2:] == [second.name, f"{second.name} curtain"]
    widget.preview.curtain.setValue(0)
    assert len(viewer.layers) == 3


def test_the_curtain_opens_with_the_preview(viewer, widget, preview, qtbot, noisy):
    viewer.add_image(noisy)
    preview()
    widget.preview.curtain.setValue(100)
    widget.preview.toggle.click()
    assert widget.preview.curtain.value() == 0
