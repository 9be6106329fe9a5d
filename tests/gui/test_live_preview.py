import time

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_clip_denoise import denoise
from napari_clip_denoise.gui.viewer.live_preview import LivePreview
from napari_clip_denoise.inference.settings import make_settings
from stalls import StallWatch

LONGEST_SECONDS = 60


@pytest.fixture
def settings(tiny_file):
    """Settings that a test may replace one by one."""
    return {"model": str(tiny_file), "device": "cpu"}


@pytest.fixture
def source(noisy):
    """An image layer of which a part is on screen."""
    layer = ViewerModel().add_image(noisy, scale=(2, 0.5, 0.5), translate=(5, 1, 2))
    look_at(layer, (0, 10), (90, 80))
    return layer


@pytest.fixture
def live(source, settings):
    """A preview in a viewer without a window."""
    viewer = ViewerModel()
    viewer.layers.append(source)
    live = LivePreview(viewer, lambda: (source, make_settings(**settings)))
    yield live
    live.stop()


def look_at(layer, top_left, bottom_right):
    corners = np.zeros((2, layer.ndim), int)
    corners[:, -2:] = top_left, np.subtract(bottom_right, 1)
    layer.corner_pixels = corners


def settle(live):
    """Tick until nothing more is being made."""
    give_up = time.monotonic() + LONGEST_SECONDS
    live.tick()
    live.tick()
    while live.is_working and time.monotonic() < give_up:
        live.tick()
    assert not live.is_working


def test_what_is_on_screen_is_denoised_over_the_image(live, source, noisy, tiny):
    live.start()
    settle(live)
    whole = denoise(noisy, tiny, device="cpu")
    plane = live._viewer.dims.current_step[0]
    difference = live.layer.data[0].astype(int) - whole[plane, :, 10:80]
    assert np.abs(difference).max() <= 1
    np.testing.assert_allclose(
        live.layer.data_to_world((0, 3, 4)), source.data_to_world((plane, 3, 14))
    )
    assert [layer.name for layer in live._viewer.layers] == ["noisy", "noisy preview"]
    assert "70 x 90 px" in live.message


def test_it_follows_the_slider_the_zoom_and_the_settings(live, source, settings, noisy, tiny):
    live.start()
    settle(live)
    live._viewer.dims.set_current_step(0, 0)
    look_at(source, (20, 30), (60, 70))
    settings["intensity"] = "minmax"
    settle(live)
    expected = denoise(noisy, tiny, device="cpu", intensity="minmax")[0, 20:60, 30:70]
    assert np.abs(live.layer.data[0].astype(int) - expected).max() <= 1
    source.contrast_limits, source.colormap = (3, 77), "magma"
    live.tick()
    assert live.layer.contrast_limits == [3, 77]
    assert live.layer.colormap.name == "magma"


def test_a_view_that_moves_is_not_computed(live, source):
    live.start()
    for column in range(10):
        look_at(source, (0, column), (90, 100))
        live.tick()
        assert not live.is_working
    settle(live)
    assert live.layer is not None


def test_the_strength_acts_within_a_tick_without_the_network(live, settings, noisy):
    live.start()
    settle(live)
    live._previewer.request = lambda view: pytest.fail("the network was asked again")
    settings["strength"] = 0.0
    live.tick()
    plane = live._viewer.dims.current_step[0]
    np.testing.assert_array_equal(live.layer.data[0], noisy[plane, :, 10:80])


def test_the_image_is_shown_left_of_the_curtain(live, noisy):
    live.start()
    settle(live)
    everything = live.layer.data
    live.curtain = 0.5
    live.tick()
    plane = live._viewer.dims.current_step[0]
    np.testing.assert_array_equal(live.layer.data[0, :, :35], noisy[plane, :, 10:45])
    np.testing.assert_array_equal(live.layer.data[:, :, 35:], everything[:, :, 35:])


def test_switching_off_or_deleting_the_layer_ends_it(live):
    live.start()
    settle(live)
    live.stop()
    assert len(live._viewer.layers) == 1
    live.start()
    settle(live)
    del live._viewer.layers[-1]
    live.tick()
    assert not live.is_on
    assert len(live._viewer.layers) == 1


def test_a_view_that_cannot_be_denoised_says_why(live, settings):
    live.start()
    settle(live)
    settings["model"] = "clip-rn50"
    settle(live)
    assert "no decoder yet" in live.message
    assert live.layer is None
    live._viewer.dims.ndisplay = 3
    live.tick()
    assert "return to 2D" in live.message


def test_the_selected_shape_is_previewed_wherever_the_slider_stands(live, source, noisy, tiny):
    shapes = live._viewer.add_shapes(
        [[[20.2, 29.8], [20.2, 60.3], [49.7, 60.3], [49.7, 29.8]]], scale=(0.5, 0.5)
    )
    shapes.translate = source.translate[1:]
    shapes.selected_data = {0}
    live._viewer.dims.set_current_step(0, 2)
    live.start()
    settle(live)
    whole = denoise(noisy, tiny, device="cpu")
    difference = live.layer.data[0].astype(int) - whole[2, 20:51, 30:61]
    assert np.abs(difference).max() <= 1
    shapes.selected_data = set()
    settle(live)
    assert live.layer.data.shape == (1, 90, 70)


def test_a_preview_is_kept_with_how_it_was_made(live, settings):
    live.keep()
    live.start()
    settle(live)
    settings["strength"] = 0.5
    live.curtain = 0.5
    live.tick()
    live.keep()
    live.stop()
    kept = live._viewer.layers[-1]
    assert kept.name == "noisy previewed"
    assert kept.data.shape == (1, 90, 70)
    made = kept.metadata["napari_clip_denoise"]
    assert made["settings"]["strength"] == 0.5
    plane = live._viewer.dims.current_step[0]
    assert made["region"] == [[plane, plane + 1], [0, 90], [10, 80]]
    assert (made["model"], made["source"]) == ("tiny", "noisy")


def test_large_views_are_cut_to_the_middle(live, source, monkeypatch):
    from napari_clip_denoise.gui.viewer import live_preview as preview

    monkeypatch.setattr(
        preview, "central_part", lambda region, n: (region[0], *[slice(20, 40)] * 2)
    )
    live.start()
    settle(live)
    assert live.layer.data.shape == (1, 20, 20)
    assert "central 20 x 20 px; zoom in" in live.message


def test_multiscale_layers_are_previewed_at_full_resolution(settings, noisy, tiny):
    viewer = ViewerModel()
    layer = viewer.add_image([noisy, noisy[:, ::2, ::2]])
    layer._data_level = 1
    look_at(layer, (0, 0), (45, 30))
    live = LivePreview(viewer, lambda: (layer, make_settings(**settings)))
    live.start()
    settle(live)
    plane = viewer.dims.current_step[0]
    assert live.layer.data.shape[1:] == (89, 59)
    expected = denoise(noisy, tiny, device="cpu")[plane, :89, :59]
    assert np.abs(live.layer.data[0].astype(int) - expected).max() <= 1
    live.stop()


def test_in_the_window(viewer, widget, run, qtbot, noisy, tiny):
    layer = viewer.add_image(noisy)
    widget.preview.toggle.click()
    live = widget.preview.preview
    qtbot.waitUntil(lambda: live.layer is not None, timeout=60_000)
    assert live.layer.data.shape[1] == 90
    assert widget.form.layer.choices == (layer,)
    assert list(viewer.layers.selection) == [layer]
    qtbot.mousePress(widget.preview.compare, Qt.MouseButton.LeftButton)
    assert not live.layer.visible
    qtbot.mouseRelease(widget.preview.compare, Qt.MouseButton.LeftButton)
    assert live.layer.visible
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: live.layer.translate[0] == 3, timeout=60_000)
    whole = denoise(noisy, tiny, device="cpu")
    first = int(live.layer.translate[2])
    expected = whole[3, :, first : first + live.layer.data.shape[2]]
    assert np.abs(live.layer.data[0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(run().data, whole)
    widget.preview.toggle.click()
    assert [each.name for each in viewer.layers] == ["noisy", "noisy denoised, tiny"]


def test_the_window_answers_during_previews_and_a_run(viewer, widget, qtbot, capsys):
    image = np.random.default_rng(0).integers(0, 999, (4, 512, 512), np.uint16)
    viewer.add_image(image)
    widget.form.model.value = "compact"
    live = widget.preview.preview
    said = {}

    def watch(what, act, is_over):
        stalls = StallWatch()
        started = time.perf_counter()
        act()
        qtbot.waitUntil(is_over, timeout=60_000)
        seconds = time.perf_counter() - started
        turns = stalls.turns
        qtbot.waitUntil(lambda: stalls.turns > turns + 10, timeout=60_000)
        said[what] = f"{seconds:.2f} s, longest stall of the event loop {stalls.stop()}"

    def is_shown(plane):
        layer = live.layer
        return layer is not None and layer.translate[0] == plane and not live.is_working

    start = viewer.dims.current_step[0]
    watch("the first preview", widget.preview.toggle.click, lambda: is_shown(start))
    watch(
        "the preview of 512 x 512 after the slider",
        lambda: viewer.dims.set_current_step(0, 3),
        lambda: is_shown(3),
    )
    watch("switching the preview off", widget.preview.toggle.click, lambda: live.layer is None)
    watch("a run", widget.run_button.click, lambda: not widget.is_running)
    with capsys.disabled():
        print(*("", *(f"{what}: {words}" for what, words in said.items())), sep="\n")
