"""Results, opened again in napari, lie on their source."""

import numpy as np
import pytest
import zarr

from napari_clip_denoise.formats import create_writer
from napari_clip_denoise.gui.reader import get_reader
from napari_clip_denoise.gui.viewer.layers import stack_of
from napari_clip_denoise.images.regions import split

VALUES = np.random.default_rng(0).integers(0, 255, (3, 300, 310), np.uint8)


def saved(layer, path):
    """Write the data of a layer as Save to does."""
    stack = stack_of(layer)
    writer = create_writer(path, stack, stack.dtype)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region))
    return str(writer.finish())


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (VALUES, {"scale": (2, 1, 1)}),
        (VALUES, {"scale": (2, 0.5, 0.5), "translate": (3, 4, 5), "units": ("um",) * 3}),
        (VALUES, {"axis_labels": ("t", "y", "x")}),
        (VALUES[0], {"scale": (2, 1)}),
        (np.moveaxis(VALUES, 0, -1), {"scale": (2, 1), "rgb": True}),
    ],
)
def test_a_result_lies_on_its_source(make_napari_viewer, tmp_path, values, options):
    viewer = make_napari_viewer()
    source = viewer.add_image(values, **options)
    path = saved(source, tmp_path / "result.ome.zarr")
    (layer,) = viewer.open(path, plugin="napari-clip-denoise")
    assert layer.multiscale
    assert layer.rgb == source.rgb
    np.testing.assert_array_equal(np.asarray(layer.data[0]), values)
    np.testing.assert_allclose(layer.scale, source.scale)
    np.testing.assert_allclose(layer.translate, source.translate)
    np.testing.assert_allclose(layer.extent.world, source.extent.world)
    assert layer.units == source.units


def test_stores_of_others_are_left_to_other_readers(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=VALUES)
    assert get_reader(str(tmp_path / "a.zarr")) is None
    assert get_reader(str(tmp_path / "missing.zarr")) is None
    assert get_reader([str(tmp_path / "a.zarr")]) is None
