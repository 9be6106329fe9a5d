"""Layers that are selected together: what is offered, denoised, kept and saved."""

import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack


@pytest.fixture
def three(viewer, noisy):
    """Three images of different sizes, the first and the last of which are selected."""
    images = [noisy, noisy[0, :60], noisy[:2, :, :70]]
    layers = [viewer.add_image(image, name=f"image {n}") for n, image in enumerate(images)]
    viewer.layers.selection = {layers[0], layers[2]}
    return layers


def test_one_click_denoises_all_selected_layers_each_in_its_place(
    viewer, widget, qtbot, three, tiny
):
    form = widget.form
    assert (form.scope.value, form.scope.current_choice) == ("selected", "The 2 selected layers")
    assert widget.run_button.text() == "Denoise 2 layers"
    widget.run_button.click()
    seen = set()
    qtbot.waitUntil(
        lambda: seen.add(widget.progress.label.text()) or not widget.is_running, timeout=60_000
    )
    assert not [words for words in seen if "of 4" in words]
    assert [layer.name for layer in viewer.layers] == [
        *("image 0", "image 0 denoised, tiny", "image 1"),
        *("image 2", "image 2 denoised, tiny"),
    ]
    for source in (three[0], three[2]):
        result = viewer.layers[f"{source.name} denoised, tiny"]
        np.testing.assert_array_equal(result.data, denoise(source.data, tiny, device="cpu"))
        assert result.visible
        assert result in viewer.layers.selection
    assert widget.progress.label.text().startswith("Denoised 2 layers in ")
    assert widget.run_button.text() == "Denoise 2 layers"


def test_a_single_layer_is_chosen_again_by_selecting_or_picking_it(viewer, widget, three):
    form = widget.form
    viewer.layers.selection = {three[1]}
    assert (form.scope.value, widget.run_button.text()) == ("layer", "Denoise")
    viewer.layers.selection = set(three)
    assert widget.run_button.text() == "Denoise 3 layers"
    viewer.layers.selection = {three[0], three[1]}
    assert widget.run_button.text() == "Denoise 2 layers"
    form.layer.value = three[2]
    assert (form.scope.value, form.layers()) == ("layer", [three[2]])
    form.scope.value = "plane"
    viewer.layers.selection = set(three)
    assert form.scope.value == "plane"


def test_cancel_stops_all_and_keeps_what_is_finished(viewer, widget, qtbot, three, unlimited):
    three[2].data = unlimited
    widget.form.batch.value = 1
    widget.run_button.click()
    qtbot.waitUntil(lambda: "layer 2 of 2" in widget.progress.label.text(), timeout=60_000)
    assert " of 2004 planes" in widget.progress.label.text()
    assert widget.progress.fraction < 0.5
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    assert [layer.name for layer in viewer.layers] == [
        *("image 0", "image 0 denoised, tiny", "image 1", "image 2")
    ]
    assert widget.progress.label.text() == "Cancelled; the results of 1 of 2 layers are kept."


def test_each_layer_is_saved_to_a_file_of_its_own(viewer, widget, qtbot, three, tiny, tmp_path):
    widget.form.store.value = tmp_path / "cells.ome.zarr"
    qtbot.waitUntil(widget.plan.isVisible)
    assert widget.plan.label.text().startswith("6 planes · needs")
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("cells_image_0.ome.zarr", "cells_image_2.ome.zarr")
    }
    for number in (0, 2):
        stored = open_stack(tmp_path / f"cells_image_{number}.ome.zarr")
        expected = denoise(three[number].data, tiny, device="cpu")
        np.testing.assert_array_equal(np.asarray(stored.array), expected)
    assert widget.progress.label.text().startswith(f"Denoised 2 layers to {tmp_path} in ")


def test_layers_that_would_share_a_file_are_refused(viewer, widget, three, errors, tmp_path):
    three[0].name, three[2].name = "a:b", "a b"
    widget.form.store.value = tmp_path / "cells.ome.zarr"
    widget.run_button.click()
    assert "rename one of the layers" in errors()[-1]
    assert not widget.is_running


def test_all_channels_of_an_image_stay_one_run(viewer, widget, noisy):
    channels = viewer.add_image(np.stack([noisy, noisy]), channel_axis=0)
    viewer.layers.selection = set(channels)
    assert widget.form.scope.value == "channels"
    assert "selected" not in widget.form.scope.choices
