from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats import create_writer, lost_metadata, open_stack
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import Metadata, as_stack

METADATA = {
    "zyx": Metadata((0.5, 0.2, 0.1), (0.0,) * 3, ("micrometer",) * 3),
    "yx": Metadata((0.2, 0.1), (0.0,) * 2, ("micrometer",) * 2),
    "tczyx": Metadata(
        (2.0, 1.0, 0.5, 0.2, 0.1),
        (0.0,) * 5,
        ("second", None, "micrometer", "micrometer", "micrometer"),
        ("DAPI", "GFP"),
    ),
    "yxs": Metadata((0.2, 0.1, 1.0), (0.0,) * 3, ("micrometer", "micrometer", None)),
}
SHAPES = {"zyx": (5, 60, 70), "yx": (60, 70), "tczyx": (2, 2, 3, 40, 50), "yxs": (60, 70, 3)}


def make(axes, dtype="u2", shape=None):
    shape = shape or SHAPES[axes]
    array = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    return as_stack(array, axes, metadata=METADATA[axes])


def write(stack, path, **options):
    writer = create_writer(path, stack, stack.dtype, **options)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region))
    return writer.finish()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "i2"])
@pytest.mark.parametrize("axes", list(SHAPES))
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".tif", ".npy"])
def test_what_is_written_is_read_back(tmp_path, axes, dtype, suffix):
    if axes == "yxs" and suffix == ".tif" and dtype != "u1":
        dtype = "u1"
    stack = make(axes, dtype)
    path = write(stack, tmp_path / f"result{suffix}")
    again = open_stack(path, axes if suffix == ".npy" else None)
    assert (again.axes, again.shape, again.dtype) == (axes, stack.shape, stack.dtype)
    np.testing.assert_array_equal(again.read(whole(again.shape)), stack.array)
    part = tuple(slice(size // 3, size // 2 + 1) for size in stack.shape)
    np.testing.assert_array_equal(again.read(part), stack.array[part])
    if suffix == ".ome.zarr" or (suffix == ".ome.tif" and axes != "yxs"):
        np.testing.assert_allclose(again.metadata.scale, stack.metadata.scale)
        assert again.metadata.units == stack.metadata.units
    if axes == "tczyx" and suffix.startswith(".ome"):
        assert again.metadata.channel_names == ("DAPI", "GFP")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".tif"])
@pytest.mark.parametrize("shape", [(1, 40, 50), (1, 1, 1, 40, 50)])
def test_axes_of_length_one_are_kept(tmp_path, suffix, shape):
    axes = "zyx" if len(shape) == 3 else "tczyx"
    stack = as_stack(np.ones(shape, "u2"), axes)
    again = open_stack(write(stack, tmp_path / f"result{suffix}"))
    assert (again.axes, again.shape) == (axes, shape)


def test_imagej_keeps_the_voxel_size(tmp_path):
    again = open_stack(write(make("zyx"), tmp_path / "result.tif"))
    np.testing.assert_allclose(again.metadata.scale, (0.5, 0.2, 0.1), rtol=1e-6)
    assert again.metadata.units == ("micrometer",) * 3
    with tifffile.TiffFile(tmp_path / "result.tif") as file:
        assert file.is_imagej


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".npy"])
def test_regions_are_written_from_several_threads(tmp_path, suffix):
    stack = as_stack(np.random.default_rng(0).integers(0, 9999, (40, 300, 300), "u2"), "zyx")
    writer = create_writer(tmp_path / f"result{suffix}", stack, stack.dtype)
    regions = list(
        split(stack.shape, (7, *stack.shape[1:]) if suffix != ".ome.zarr" else writer.region_shape)
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda region: writer.write(region, stack.read(region)), regions))
    again = open_stack(writer.finish(), "zyx")
    np.testing.assert_array_equal(again.read(whole(again.shape)), stack.array)


@pytest.mark.parametrize("name", ["r.ome.zarr", "r.ome.tif", "r.tif", "r.npy", "r.png"])
def test_an_aborted_output_leaves_nothing(tmp_path, name):
    stack = make("yx", "u1")
    writer = create_writer(tmp_path / name, stack, stack.dtype)
    writer.write(whole(stack.shape), stack.array)
    assert not (tmp_path / name).exists()
    writer.abort()
    writer.abort()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["r.ome.zarr", "r.ome.tif", "r.npy", "r.png"])
def test_the_old_output_stays_until_the_new_one_is_whole(tmp_path, name):
    old, new = make("yx", "u1"), as_stack(np.zeros((60, 70), "u1"), "yx")
    path = write(old, tmp_path / name)
    with pytest.raises(OutputError, match="already exists"):
        create_writer(path, new, new.dtype)
    writer = create_writer(path, new, new.dtype, overwrite=True)
    writer.write(whole(new.shape), new.array)
    np.testing.assert_array_equal(open_stack(path).read(whole(old.shape)), old.array)
    writer.finish()
    np.testing.assert_array_equal(open_stack(path).read(whole(old.shape)), new.array)


def test_the_source_is_never_the_output(tmp_path):
    source = open_stack(write(make("zyx"), tmp_path / "a.ome.zarr"))
    for path in (tmp_path / "a.ome.zarr", tmp_path / "a.ome.zarr" / "b.zarr"):
        with pytest.raises(OutputError, match="is the input"):
            create_writer(path, source, source.dtype, overwrite=True)


@pytest.mark.parametrize(
    ("name", "axes", "dtype", "error", "message"),
    [
        ("r.png", "zyx", "u1", InputError, "holds one plane"),
        ("r.png", "yx", "f4", InputError, "holds one plane of uint8"),
        ("r.jpg", "yx", "u2", InputError, "holds one plane of uint8"),
        ("r.xyz", "yx", "u1", InputError, "format of .* is not known"),
        ("missing/r.tif", "yx", "u1", OutputError, "no folder"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, name, axes, dtype, error, message):
    stack = make(axes, dtype)
    with pytest.raises(error, match=message):
        create_writer(tmp_path / name, stack, stack.dtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("grey.png", np.arange(256, dtype="u1").reshape(16, 16)),
        ("deep.png", np.arange(0, 65536, 256).astype("u2").reshape(16, 16)),
        ("colour.png", np.arange(768).astype("u1").reshape(16, 16, 3)),
        ("alpha.png", np.arange(1024).astype("u1").reshape(16, 16, 4)),
    ],
)
def test_pictures_keep_their_values(tmp_path, name, array):
    Image.fromarray(array).save(tmp_path / name)
    stack = open_stack(tmp_path / name)
    assert (stack.axes, stack.dtype) == ("yxs" if array.ndim == 3 else "yx", array.dtype)
    np.testing.assert_array_equal(stack.array, array)
    again = open_stack(write(stack, tmp_path / f"again-{name}"))
    np.testing.assert_array_equal(again.array, array)


def test_planar_rgb_is_turned_to_the_end(tmp_path):
    planar = np.random.default_rng(0).integers(0, 255, (3, 40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "planar.tif", planar, photometric="rgb", planarconfig="separate")
    stack = open_stack(tmp_path / "planar.tif")
    assert (stack.axes, stack.shape) == ("yxs", (40, 50, 3))
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), np.moveaxis(planar, 0, -1))


def test_compressed_pyramids_give_their_full_resolution(tmp_path):
    image = np.random.default_rng(0).integers(0, 999, (256, 256), np.uint16)
    with tifffile.TiffWriter(tmp_path / "p.ome.tif") as file:
        file.write(image, subifds=1, compression="lzw", tile=(64, 64))
        file.write(image[::2, ::2], subfiletype=1, compression="lzw", tile=(64, 64))
    stack = open_stack(tmp_path / "p.ome.tif")
    assert stack.shape == (256, 256)
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), image)


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.png", "a.ome.tif"])
def test_damaged_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no image at all")
    with pytest.raises(InputError, match="may be damaged"):
        open_stack(tmp_path / name)


def test_what_is_not_there_or_unknown_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        open_stack(tmp_path / "a.tif")
    (tmp_path / "a.doc").touch()
    with pytest.raises(InputError, match=r"ends in one of .*\.tif"):
        open_stack(tmp_path / "a.doc")


@pytest.mark.parametrize("array", [np.zeros((4, 4), bool), np.zeros((4, 4), complex)])
def test_pixels_that_are_no_real_numbers_are_refused(array):
    with pytest.raises(InputError, match="cannot be denoised"):
        as_stack(array)


def test_empty_images_are_refused():
    with pytest.raises(InputError, match="0 x 4 x 4 holds no pixels"):
        as_stack(np.zeros((0, 4, 4)))


@pytest.mark.parametrize(
    ("axes", "name", "lost"),
    [
        ("tczyx", "a.ome.zarr", None),
        ("tczyx", "a.ome.tif", None),
        ("tczyx", "a.tif", "will not keep channel names"),
        ("zyx", "a.tif", None),
        ("zyx", "a.npy", "will not keep pixel sizes"),
        ("yx", "a.png", "will not keep pixel sizes"),
        ("tczyx", "a.npy", "will not keep pixel sizes and channel names"),
    ],
)
def test_what_a_format_cannot_keep_is_told(axes, name, lost):
    sentence = lost_metadata(Path(name), make(axes))
    assert sentence is None if lost is None else lost in sentence


def test_nothing_is_lost_of_what_was_not_there():
    assert lost_metadata(Path("a.npy"), as_stack(np.zeros((4, 5)))) is None
