"""Zarr stores by their axes' names, and stores of several images."""

import numpy as np
import pytest
import zarr

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_again, open_stack
from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.regions import whole

IMAGE = np.random.default_rng(0).integers(0, 999, (2, 30, 40), "u2")
SCALE = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
AXES = [{"name": "z", "type": "space"}, *({"name": n, "type": "space"} for n in "yx")]


def pixels(stack):
    return stack.read(whole(stack.shape))


def multiscale(path="0", name="image"):
    return {
        "name": name,
        "axes": AXES,
        "datasets": [{"path": path, "coordinateTransformations": SCALE}],
    }


def write_image(path, values):
    """Write an OME-Zarr 0.5 image of one level."""
    ome = {"version": "0.5", "multiscales": [multiscale()]}
    group = zarr.open_group(path, mode="w", attributes={"ome": ome})
    group.create_array("0", data=values)


def write_group(path, **ome):
    zarr.open_group(path, mode="w", attributes={"ome": {"version": "0.5", **ome}})


@pytest.fixture
def channels():
    """A bright and a dim channel, the dim one a twentieth as bright."""
    plane = np.hypot(*np.mgrid[-1:1:96j, -1:1:100j]) < 0.5
    dim, bright = 100.0 + 20 * plane, 2000.0 + 400 * plane[::-1]
    clean = np.stack([bright, dim, bright])
    noise = np.random.default_rng(1).normal(0, 0.05, clean.shape) * clean
    return (clean + noise).astype("u2")


def test_named_dimensions_give_each_channel_its_own_mapping(tmp_path, channels, tiny):
    zarr.create_array(tmp_path / "a.zarr", data=channels, dimension_names=["c", "y", "x"])
    stack = open_stack(tmp_path / "a.zarr")
    assert stack.axes == "cyx"
    np.testing.assert_array_equal(pixels(stack), channels)
    mapping = estimate_mapping(stack, "minmax")
    ends = [(one.low, one.high) for one in mapping.channels]
    assert ends == [(plane.min(), plane.max()) for plane in channels]
    options = {"device": "cpu", "output_dtype": "float32", "intensity": "minmax"}
    result = denoise(stack, tiny, **options)
    for plane, alone in zip(result, channels, strict=True):
        np.testing.assert_allclose(plane, denoise(alone, tiny, **options), rtol=1e-5)


def test_dimensions_without_names_share_a_mapping(tmp_path, channels):
    zarr.create_array(tmp_path / "a.zarr", data=channels)
    stack = open_stack(tmp_path / "a.zarr")
    assert stack.axes == "zyx"
    (only,) = estimate_mapping(stack, "minmax").channels
    assert (only.low, only.high) == (channels.min(), channels.max())
    assert len(estimate_mapping(open_stack(tmp_path / "a.zarr", "cyx"), "minmax").channels) == 3


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (["channel", "y", "x"], "cyx"),
        (["C", "Y", "X"], "cyx"),
        ([None, "y", "x"], "zyx"),
        (["channel", "row", None], "cyx"),
        (["channel", None, None], "cyx"),
        (["z", "y", "y"], "zyx"),
    ],
)
def test_other_names_of_dimensions(tmp_path, channels, names, axes):
    zarr.create_array(tmp_path / "a.zarr", data=channels, dimension_names=names)
    stack = open_stack(tmp_path / "a.zarr")
    assert stack.axes == axes
    np.testing.assert_array_equal(pixels(stack), channels)


def test_one_of_several_multiscale_images_is_chosen(tmp_path):
    ome = {"version": "0.5", "multiscales": [multiscale("0", "raw"), multiscale("1", "other")]}
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", attributes={"ome": ome})
    group.create_array("0", data=IMAGE)
    group.create_array("1", data=IMAGE[:1])
    with pytest.raises(InputError, match=r"a\.zarr holds 2 images; choose .*--series 0 to 1"):
        open_stack(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="no image 2; it holds 2"):
        open_stack(tmp_path / "a.zarr", series=2)
    for number, expected in enumerate((IMAGE, IMAGE[:1])):
        stack = open_stack(tmp_path / "a.zarr", series=number)
        np.testing.assert_array_equal(pixels(stack), expected)
        np.testing.assert_array_equal(pixels(open_again(stack.opening)), expected)
        assert stack.metadata.scale == (1.0, 0.5, 0.5)


@pytest.mark.parametrize("lists_series", [True, False])
def test_a_converted_store_of_one_image_is_that_image(tmp_path, lists_series):
    zarr.open_group(
        tmp_path / "a.zarr",
        mode="w",
        attributes={"ome": {"version": "0.5", "bioformats2raw.layout": 3}},
    )
    if lists_series:
        write_group(tmp_path / "a.zarr" / "OME", series=["0"])
    write_image(tmp_path / "a.zarr" / "0", IMAGE)
    stack = open_stack(tmp_path / "a.zarr")
    assert (stack.axes, stack.metadata.scale) == ("zyx", (1.0, 0.5, 0.5))
    np.testing.assert_array_equal(pixels(stack), IMAGE)
    np.testing.assert_array_equal(pixels(open_again(stack.opening)), IMAGE)


def test_one_image_of_a_converted_store_is_chosen(tmp_path):
    attributes = {"bioformats2raw.layout": 3}
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2, attributes=attributes)
    values = [IMAGE + number for number in range(12)]
    for number, image in enumerate(values):
        group = zarr.open_group(tmp_path / "a.zarr" / str(number), mode="w", zarr_format=2)
        group.create_array("0", data=image)
        group.attrs["multiscales"] = [{"version": "0.4", **multiscale()}]
    with pytest.raises(InputError, match=r"holds 12 images; choose .*--series 0 to 11"):
        open_stack(tmp_path / "a.zarr")
    np.testing.assert_array_equal(pixels(open_stack(tmp_path / "a.zarr", series=10)), values[10])


@pytest.mark.parametrize("n_fields", [1, 2])
def test_a_well_is_its_field_or_says_what_to_choose(tmp_path, n_fields):
    plate = tmp_path / "plate.zarr"
    wells = [{"path": "B/03", "rowIndex": 1, "columnIndex": 2}]
    write_group(plate, plate={"wells": wells})
    fields = [{"path": str(number)} for number in range(n_fields)]
    write_group(plate / "B" / "03", well={"images": fields})
    for number in range(n_fields):
        write_image(plate / "B" / "03" / str(number), IMAGE + number)
    with pytest.raises(InputError, match=r"is a plate; .* such as .*plate\.zarr/B/03/0"):
        open_stack(plate)
    if n_fields == 1:
        np.testing.assert_array_equal(pixels(open_stack(plate / "B" / "03")), IMAGE)
        return
    with pytest.raises(InputError, match=r"holds 2 images; choose .*--series 0 to 1"):
        open_stack(plate / "B" / "03")
    stack = open_stack(plate / "B" / "03", series=1)
    np.testing.assert_array_equal(pixels(stack), IMAGE + 1)
    np.testing.assert_array_equal(pixels(open_again(stack.opening)), IMAGE + 1)


@pytest.mark.parametrize("kind", [{"well": {"images": []}}, {"bioformats2raw.layout": 3}])
def test_a_store_that_lists_no_images_says_what_to_give(tmp_path, kind):
    write_group(tmp_path / "w.zarr", **kind)
    with pytest.raises(InputError, match=r"w\.zarr lists no images; give .* such as .*w\.zarr/0\."):
        open_stack(tmp_path / "w.zarr")
