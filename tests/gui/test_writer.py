"""Image layers saved from napari's own menu."""

import numpy as np
import pytest

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.gui.writer import write_layers
from napari_clip_denoise.images.regions import whole

PLUGIN = "napari-clip-denoise"
VALUES = np.random.default_rng(0).integers(0, 999, (3, 40, 50), np.uint16)
PLACE = {
    "scale": (2, 0.5, 0.25),
    "translate": (1, 2, 3),
    "units": ("micrometer",) * 3,
    "axis_labels": ("z", "y", "x"),
}


@pytest.fixture
def plain_viewer(make_napari_viewer):
    return make_napari_viewer()


def read(path):
    stack = open_stack(path)
    return stack, stack.read(whole(stack.shape))


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("cells.ome.zarr", "micrometer", 1),
        ("cells.nii.gz", "micrometer", 1),
        ("cells.mrc", "nanometer", 1000),
    ],
)
def test_a_layer_keeps_pixels_and_scale(plain_viewer, tmp_path, name, unit, factor):
    layer = plain_viewer.add_image(VALUES, name="cells", contrast_limits=(5, 500), **PLACE)
    assert layer.save(str(tmp_path / name), plugin=PLUGIN) == [str(tmp_path / name)]
    stack, pixels = read(tmp_path / name)
    np.testing.assert_array_equal(pixels, VALUES)
    np.testing.assert_allclose(stack.metadata.scale, np.multiply(PLACE["scale"], factor))
    assert set(stack.metadata.units) == {unit}


def test_a_saved_layer_comes_back_with_contrast_and_history(plain_viewer, tmp_path):
    made = {"napari_clip_denoise": {"model": "tiny", "strength": 0.5}}
    plain_viewer.add_image(VALUES, contrast_limits=(5, 500), metadata=made, **PLACE)
    path = str(tmp_path / "a.ome.zarr")
    plain_viewer.layers.save(path, plugin=PLUGIN)
    (opened,) = plain_viewer.open(path, plugin=PLUGIN)
    assert opened.contrast_limits == [5, 500]
    assert opened.metadata["napari_clip_denoise"]["strength"] == 0.5
    np.testing.assert_allclose(opened.translate, PLACE["translate"])


def test_the_levels_of_a_pyramid_become_one_image(plain_viewer, tmp_path):
    layer = plain_viewer.add_image([VALUES, VALUES[:, ::2, ::2]], multiscale=True)
    layer.save(str(tmp_path / "a.ome.zarr"), plugin=PLUGIN)
    np.testing.assert_array_equal(read(tmp_path / "a.ome.zarr")[1], VALUES)


def test_layers_that_lie_on_each_other_become_channels(plain_viewer, tmp_path):
    plain_viewer.add_image(VALUES, name="DAPI", colormap="blue", **PLACE)
    plain_viewer.add_image(VALUES[::-1], name="GFP", colormap="green", **PLACE)
    path = str(tmp_path / "both.ome.zarr")
    assert plain_viewer.layers.save(path, plugin=PLUGIN) == [path]
    stack, pixels = read(path)
    assert stack.axes == "czyx"
    assert stack.metadata.channel_names == ("DAPI", "GFP")
    assert stack.metadata.channel_colors == ("0000FF", "00FF00")
    np.testing.assert_array_equal(pixels, [VALUES, VALUES[::-1]])


def test_layers_in_different_places_are_refused_and_nothing_is_written(plain_viewer, tmp_path):
    layers = [plain_viewer.add_image(VALUES, translate=(0, 0, shift)) for shift in (0, 9)]
    with pytest.raises(InputError, match="save them one by one"):
        write_layers(
            str(tmp_path / "a.ome.zarr"), [layer.as_layer_data_tuple() for layer in layers]
        )
    assert not list(tmp_path.iterdir())


def test_what_a_stranger_wrote_is_not_replaced(plain_viewer, tmp_path):
    folder = tmp_path / "a.ome.zarr"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    layer = plain_viewer.add_image(VALUES)
    with pytest.raises(OutputError):
        layer.save(str(folder), plugin=PLUGIN)
    assert (folder / "notes.txt").read_text() == "mine"
