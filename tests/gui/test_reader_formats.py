"""Files that the product writes, opened in napari by its own reader."""

import numpy as np
import pytest

from napari_clip_denoise.formats import create_writer
from napari_clip_denoise.gui.reader import get_reader
from napari_clip_denoise.images.stack import Metadata, as_stack

PLUGIN = "napari-clip-denoise"


def write(path, pixels, axes, metadata):
    stack = as_stack(pixels, axes, metadata=metadata, name="cells")
    writer = create_writer(path, stack, pixels.dtype)
    for region in writer.regions():
        writer.write(region, pixels[region])
    writer.finish()
    return path


def test_a_saved_result_comes_back_as_it_was(viewer, widget, run, noisy, tmp_path):
    source = viewer.add_image(
        noisy,
        name="cells",
        scale=(2, 0.5, 0.5),
        translate=(1, 2, 3),
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
    )
    widget.form.store.value = tmp_path / "result.ome.zarr"
    result = run()
    (opened,) = viewer.open(tmp_path / "result.ome.zarr", plugin=PLUGIN)
    assert opened.name == "result"
    for name in ("scale", "translate"):
        np.testing.assert_allclose(getattr(opened, name), getattr(source, name), err_msg=name)
    assert opened.units == source.units
    assert opened.axis_labels == ("z", "y", "x")
    data = opened.data[0] if opened.multiscale else opened.data
    np.testing.assert_array_equal(np.asarray(data), np.asarray(result.data))
    assert opened.metadata["napari_clip_denoise"]["model"] == "tiny"
    assert widget.form.layer.value == source


def test_channels_keep_names_colours_and_contrast(make_napari_viewer, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 999, (2, 3, 40, 50), np.uint16)
    metadata = Metadata(
        (1, 2, 0.5, 0.5),
        (0, 1, 2, 3),
        (None, *("micrometer",) * 3),
        channel_names=("DAPI", "GFP"),
        channel_colors=("0000FF", "00FF00"),
        display_ranges=((10.0, 500.0), (20.0, 900.0)),
    )
    path = write(tmp_path / "cells.ome.zarr", pixels, "czyx", metadata)
    viewer = make_napari_viewer()
    layers = viewer.open(path, plugin=PLUGIN)
    assert [layer.name for layer in layers] == ["cells DAPI", "cells GFP"]
    for number, layer in enumerate(layers):
        np.testing.assert_array_equal(np.asarray(layer.data), pixels[number])
        assert tuple(layer.contrast_limits) == metadata.display_ranges[number]
        np.testing.assert_allclose(layer.scale, (2, 0.5, 0.5))
        np.testing.assert_allclose(layer.translate, (1, 2, 3))
        assert {str(unit) for unit in layer.units} == {"micrometer"}
        assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_allclose(layers[0].colormap.colors[-1][:3], (0, 0, 1))


def test_large_stores_open_as_a_pyramid(make_napari_viewer, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 999, (2, 1200, 1300), np.uint16)
    path = write(tmp_path / "large.ome.zarr", pixels, "zyx", None)
    (layer,) = make_napari_viewer().open(path, plugin=PLUGIN)
    assert layer.multiscale
    np.testing.assert_array_equal(np.asarray(layer.data[0]), pixels)


@pytest.mark.parametrize(
    ("suffix", "module", "unit"),
    [(".nii.gz", "nibabel", "millimeter"), (".mrc", "mrcfile", "nanometer")],
)
def test_other_formats(make_napari_viewer, tmp_path, suffix, module, unit):
    pytest.importorskip(module)
    pixels = np.random.default_rng(0).integers(0, 999, (4, 40, 50)).astype(np.int16)
    metadata = Metadata((3.0, 0.5, 0.5), (0, 0, 0), (unit,) * 3)
    path = write(tmp_path / f"scan{suffix}", pixels, "zyx", metadata)
    (layer,) = make_napari_viewer().open(path, plugin=PLUGIN)
    np.testing.assert_array_equal(np.asarray(layer.data), pixels)
    np.testing.assert_allclose(layer.scale, (3, 0.5, 0.5))
    assert {str(each) for each in layer.units} == {unit}


def test_files_of_other_plugins_are_left_to_them(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "a.npy", np.zeros((3, 4)))
    assert get_reader(str(tmp_path / "a.npy")) is None
    assert get_reader(["a.zarr", "b.zarr"]) is None
