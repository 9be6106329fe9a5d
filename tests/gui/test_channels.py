"""Images with several channels: what is offered, denoised and seen."""

import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

PLACE = {"scale": (2, 0.5, 0.5), "units": ("micrometer",) * 3, "axis_labels": ("z", "y", "x")}


@pytest.fixture(scope="module")
def cells():
    """Three channels (3, 4, 90, 110), uint16, the last a tenth as bright."""
    channels = [
        acquire(fluorescence((4, 90, 110), seed=seed), seed=seed).noisy for seed in (1, 2, 3)
    ]
    return np.stack([channels[0], channels[1], channels[2] // 10])


@pytest.fixture
def channels(viewer, cells):
    """The channels as napari shows them."""
    return viewer.add_image(cells, channel_axis=0, name=["red", "green", "blue"], **PLACE)


def test_all_channels_are_denoised_with_one_click(viewer, widget, qtbot, channels, cells, tiny):
    assert widget.form.scope.value == "channels"
    assert widget.form.scope.current_choice == "All 3 channels"
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    expected = denoise(cells, tiny, axes="czyx", device="cpu")
    names = [layer.name for layer in viewer.layers]
    assert names == [
        *("red", "red denoised, tiny", "green", "green denoised, tiny"),
        *("blue", "blue denoised, tiny"),
    ]
    for number, source in enumerate(channels):
        result = viewer.layers[f"{source.name} denoised, tiny"]
        np.testing.assert_array_equal(result.data, expected[number])
        assert (result.blending, result.colormap) == (source.blending, source.colormap)
        np.testing.assert_allclose(result.data_to_world((1, 2, 3)), source.data_to_world((1, 2, 3)))
        made = result.metadata["napari_clip_denoise"]
        assert made["source"] == source.name
        assert len(made["intensity_mapping"]) == 1


def test_the_screen_shows_the_sum_of_the_denoised_channels_alone(
    viewer, widget, qtbot, channels, cells, tiny
):
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    qtbot.wait(100)
    seen = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    for layer in list(viewer.layers):
        if layer in channels:
            viewer.layers.remove(layer)
    qtbot.wait(100)
    alone = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    assert alone.std() > 5
    assert np.abs(seen - alone).max() <= 2


def test_a_single_channel_takes_the_place_of_its_source(viewer, widget, run, channels, cells, tiny):
    widget.form.layer.value = channels[1]
    widget.form.scope.value = "layer"
    result = run()
    assert viewer.layers.index(result) == viewer.layers.index(channels[1]) + 1
    assert (channels[1].visible, result.visible, result.blending) == (False, True, "additive")
    assert channels[0].visible
    np.testing.assert_array_equal(result.data, denoise(cells[1], tiny, device="cpu"))


def test_a_file_holds_all_channels_with_their_names(
    viewer, widget, qtbot, channels, cells, tiny, tmp_path
):
    widget.form.store.value = tmp_path / "cells.ome.zarr"
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    stored = open_stack(tmp_path / "cells.ome.zarr")
    expected = denoise(cells, tiny, axes="czyx", device="cpu")
    assert stored.axes == "czyx"
    assert stored.metadata.scale == (1, 2, 0.5, 0.5)
    assert stored.metadata.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(np.asarray(stored.array), expected)
    np.testing.assert_array_equal(
        np.asarray(viewer.layers["green denoised, tiny"].data), expected[1]
    )


def test_unlike_layers_are_no_channels(viewer, widget, cells):
    viewer.add_image(cells[0], name="a")
    viewer.add_image(cells[1], name="b")
    assert "channels" not in widget.form.scope.choices
    viewer.layers["b"].blending = "additive"
    viewer.layers["b"].scale = (1, 1, 2)
    widget.form.layer.value = viewer.layers["b"]
    assert "channels" not in widget.form.scope.choices


def test_the_preview_of_a_channel_leaves_the_others_on_screen(
    viewer, widget, qtbot, channels, cells
):
    widget.form.layer.value = channels[1]
    widget.preview.toggle.click()
    live = widget.preview.preview
    qtbot.waitUntil(lambda: live.layer is not None and not live.is_working, timeout=60_000)
    assert live.layer.blending == "additive"
    assert [layer.visible for layer in channels] == [True, False, True]
    widget.preview.toggle.click()
    assert [layer.visible for layer in channels] == [True] * 3
