import numpy as np
import pytest
import yaozarrs
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import write_image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.formats.ome_zarr.pyramid import halve
from napari_clip_denoise.formats.publish import OWN_KEY
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import Metadata, as_stack


def write(stack, path, **options):
    writer = create_writer(path, stack, stack.dtype, **options)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region))
    return writer.finish()


@pytest.fixture(scope="module")
def stack():
    array = np.random.default_rng(0).integers(0, 9999, (2, 3, 700, 1100), np.uint16)
    metadata = Metadata(
        (1.0, 0.5, 0.2, 0.1),
        (0.0, 1.0, 2.0, 3.0),
        (None, "micrometer", "micrometer", "micrometer"),
        ("DAPI", "GFP"),
        ("0000FF", "00FF00"),
        ((100.0, 5000.0), (50.0, 900.0)),
    )
    return as_stack(array, "czyx", metadata=metadata)


@pytest.fixture(scope="module")
def store(stack, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "image.ome.zarr"
    return write(stack, path, attributes={"model": "compact"})


def test_independent_readers_agree(stack, store):
    yaozarrs.validate_zarr_store(store)
    (node,) = Reader(parse_url(store))()
    assert [axis["name"] for axis in node.metadata["axes"]] == ["c", "z", "y", "x"]
    assert node.metadata["contrast_limits"] == [[100, 5000], [50, 900]]
    np.testing.assert_array_equal(node.data[0].compute(), stack.array)


def test_metadata_comes_back(stack, store):
    assert open_stack(store).metadata == stack.metadata


def test_it_is_sharded_by_planes(store):
    level = zarr.open(store, mode="r")["0"]
    assert level.chunks == (1, 1, 700, 512)
    assert level.shards[1] == 3
    assert level.metadata.zarr_format == 3


def test_the_pyramid_is_the_mean_and_lies_in_place(stack, store):
    group = zarr.open(store, mode="r")
    expected = halve(stack.array)
    np.testing.assert_array_equal(group["1"][:], expected)
    block = stack.array[0, 0, :2, :2].astype(float)
    assert expected[0, 0, 0, 0] == np.rint(block.mean())
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    assert max(group[datasets[-1]["path"]].shape) <= 256
    scale, translation = (t for t in datasets[1]["coordinateTransformations"])
    assert scale["scale"] == [1.0, 0.5, 0.4, 0.2]
    np.testing.assert_allclose(translation["translation"], [0, 1, 2.1, 3.05])


def test_version_0_4_on_demand(stack, tmp_path):
    path = write(stack, tmp_path / "old.ome.zarr", ome_version="0.4")
    yaozarrs.validate_zarr_store(path)
    (node,) = Reader(parse_url(path))()
    assert node.metadata["contrast_limits"] == [[100, 5000], [50, 900]]
    np.testing.assert_array_equal(node.data[0].compute(), stack.array)
    np.testing.assert_array_equal(node.data[1].compute(), halve(stack.array))
    assert zarr.open(path, mode="r")["0"].metadata.zarr_format == 2
    assert (path / "0" / "0" / "0" / "0" / "0").exists()
    assert open_stack(path).metadata == stack.metadata
    with pytest.raises(InputError, match=r"no OME-Zarr version 0\.3"):
        create_writer(tmp_path / "a.zarr", stack, stack.dtype, ome_version="0.3")


def test_how_it_was_made_is_kept(store):
    own = zarr.open(store, mode="r").attrs[OWN_KEY]
    assert own["model"] == "compact"
    assert own["complete"] is True


def test_an_unfinished_store_says_so(stack, tmp_path):
    writer = create_writer(tmp_path / "a.zarr", stack, stack.dtype)
    left = writer._target.partial.rename(tmp_path / "copied.zarr")
    with pytest.raises(InputError, match="unfinished"):
        open_stack(left)


@pytest.mark.parametrize("axes", ["zcyx", "ctyx"])
def test_axes_are_put_in_ngff_order_and_the_live_view_is_not(tmp_path, axes):
    array = np.random.default_rng(0).integers(0, 99, (4, 3, 30, 40), np.uint8)
    source = as_stack(array, axes)
    writer = create_writer(tmp_path / "a.ome.zarr", source, source.dtype)
    for region in split(source.shape, writer.region_shape):
        writer.write(region, source.read(region))
    np.testing.assert_array_equal(np.asarray(writer.array), array)
    again = open_stack(writer.finish())
    order = [axes.index(axis) for axis in again.axes]
    assert again.axes == "".join(sorted(axes, key="tczyx".index))
    np.testing.assert_array_equal(again.read(whole(again.shape)), array.transpose(order))
    yaozarrs.validate_zarr_store(tmp_path / "a.ome.zarr")


def test_axes_that_ngff_lacks_are_refused(tmp_path):
    source = as_stack(np.zeros((2, 3, 30, 40), np.uint8), "pzyx")
    with pytest.raises(InputError, match="cannot hold the axes pzyx"):
        create_writer(tmp_path / "a.ome.zarr", source, source.dtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_stores_of_others_are_read(tmp_path, version):
    from ome_zarr.format import format_from_version

    array = np.random.default_rng(0).integers(0, 99, (2, 4, 64, 80), np.uint16)
    fmt = format_from_version(version)
    root = parse_url(tmp_path / "other.zarr", mode="w", fmt=fmt).store
    group = zarr.open_group(root, mode="w", zarr_format=2 if version == "0.4" else 3)
    scale = [[1.0, 0.5, 0.2, 0.2], [1.0, 0.5, 0.4, 0.4]]
    write_image(
        array,
        group,
        axes="czyx",
        axes_units=dict.fromkeys("zyx", "micrometer"),
        coordinate_transformations=[[{"type": "scale", "scale": s}] for s in scale],
        scale_factors=(2,),
        fmt=fmt,
    )
    stack = open_stack(tmp_path / "other.zarr")
    assert stack.axes == "czyx"
    assert stack.metadata.units == (None, "micrometer", "micrometer", "micrometer")
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), array)


def test_plain_arrays_and_groups_of_one(tmp_path):
    array = np.ones((3, 30, 40), np.uint8)
    zarr.create_array(tmp_path / "plain.zarr", data=array)
    group = zarr.create_group(tmp_path / "group.zarr")
    group.create_array("data", data=array)
    for name in ("plain", "group"):
        assert open_stack(tmp_path / f"{name}.zarr").shape == (3, 30, 40)
    group.create_array("more", data=array)
    with pytest.raises(InputError, match="holds 2 arrays"):
        open_stack(tmp_path / "group.zarr")


def test_plates_and_other_folders_are_refused(tmp_path):
    plate = {"wells": [{"path": "B/03"}, {"path": "B/04"}]}
    zarr.create_group(tmp_path / "p.zarr", attributes={"ome": {"version": "0.5", "plate": plate}})
    with pytest.raises(InputError, match=r"is a plate; give .* such as .*p\.zarr/B/03/0,"):
        open_stack(tmp_path / "p.zarr")
    zarr.create_array(tmp_path / "p.zarr" / "B" / "03" / "0", data=np.ones((3, 30, 40), "u1"))
    assert open_stack(tmp_path / "p.zarr" / "B" / "03" / "0").shape == (3, 30, 40)
    (tmp_path / "folder.zarr").mkdir()
    with pytest.raises(InputError, match="is not a readable zarr store"):
        open_stack(tmp_path / "folder.zarr")
