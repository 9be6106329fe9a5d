"""Layers that readers of microscope files make, and such files in the window."""

import shutil

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from microscopes import noisy, write_czi
from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.regions import whole


class Described:
    """An image object that readers put into a layer's metadata; it cannot be copied or compared."""

    def __init__(self, image):
        self.image = image

    def __deepcopy__(self, memo):
        raise TypeError("this holds an open file")

    __eq__ = None
    __hash__ = None


def test_layers_of_other_readers_work_with_all_that_they_carry(viewer, run, tiny, errors):
    values = noisy((2, 3, 40, 48))
    image = xr.DataArray(
        da.from_array(values, chunks=(1, 1, 40, 48)),
        dims=list("TZYX"),
        coords={"Z": np.arange(3) * 0.5, "X": np.arange(48) * 0.1},
        attrs={"unprocessed": object()},
    )
    layer = viewer.add_image(
        image,
        name="GFP :: 0 :: cells",
        scale=(2.5, 0.5, 0.1, 0.1),
        units=("second", "micrometer", "micrometer", "micrometer"),
        axis_labels=("T", "Z", "Y", "X"),
        metadata={"bioimage": Described(image), "raw_image_metadata": image.attrs},
    )
    result = run()
    assert errors() == []
    np.testing.assert_array_equal(
        np.asarray(result.data), denoise(values, tiny, axes="tzyx", device="cpu")
    )
    for name in ("scale", "units", "axis_labels"):
        assert tuple(getattr(result, name)) == tuple(getattr(layer, name)), name
    assert list(result.metadata) == ["napari_clip_denoise"]


def test_its_scenes_become_one_store_with_their_axes(viewer, widget, run, tiny, tmp_path):
    values = noisy((2, 3, 40, 48))
    image = xr.DataArray(da.from_array(values, chunks=(1, 1, 40, 48)), dims=list("TZYX"))
    viewer.add_image(
        image,
        scale=(2.5, 0.5, 0.1, 0.1),
        units=("second", "micrometer", "micrometer", "micrometer"),
        axis_labels=("T", "Z", "Y", "X"),
        metadata={"bioimage": Described(image)},
    )
    widget.form.store.value = tmp_path / "out.ome.zarr"
    run()
    stack = open_stack(tmp_path / "out.ome.zarr")
    assert (stack.axes, stack.metadata.scale) == ("tzyx", (2.5, 0.5, 0.1, 0.1))
    assert stack.metadata.units == ("second", *("micrometer",) * 3)


@pytest.fixture
def batch(make_napari_viewer, tiny_file, models_folder, tmp_path):
    shutil.copy(tiny_file, models_folder / "tiny.safetensors")
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise files")
    widget.form.model.value = "tiny"
    widget.form.device.value = "cpu"
    widget.form.inputs.value = str(tmp_path / "data")
    widget.form.output.value = tmp_path / "out"
    return widget


def test_each_scene_of_a_file_has_its_row(batch, qtbot, tiny, tmp_path):
    (tmp_path / "data").mkdir()
    scenes = {"left": noisy((1, 1, 2, 40, 48)), "right": noisy((1, 1, 2, 40, 48), 1)}
    write_czi(tmp_path / "data" / "cells.czi", scenes)
    batch.form.inputs.native.editingFinished.emit()
    assert batch.table.states() == ["waiting"]
    for state in ("done", "skipped"):
        batch.run_button.click()
        qtbot.waitUntil(lambda: not batch.is_running, timeout=60_000)
        assert batch.table.states() == [state] * 2
    names = [batch.table.item(row, 0).text() for row in range(2)]
    assert names == ["cells.czi, left", "cells.czi, right"]
    for name, image in scenes.items():
        stack = open_stack(tmp_path / "out" / f"cells_{name}.ome.zarr")
        expected = denoise(image[0], tiny, axes="czyx", device="cpu")
        np.testing.assert_array_equal(stack.read(whole(stack.shape)), expected)
