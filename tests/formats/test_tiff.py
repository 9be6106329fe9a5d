"""TIFF files as other programs write them."""

import uuid
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_again, open_stack
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import Metadata, as_stack

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (20, 30), np.uint8)


def save(folder, array, name="a.tif", **options):
    tifffile.imwrite(folder / name, array, **options)
    return folder / name


def pixels(stack):
    return stack.read(whole(stack.shape))


def write(stack, path):
    writer = create_writer(path, stack, stack.dtype)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region))
    return writer.finish()


@pytest.mark.parametrize("axes", ["YXC", "YCX", "YXZ", "XYC"])
def test_axes_in_any_order_are_kept(tmp_path, axes):
    array = RNG.integers(0, 999, (20, 30, 5), np.uint16)
    stack = open_stack(save(tmp_path, array, metadata={"axes": axes}))
    assert stack.axes == axes.lower().replace("y", "").replace("x", "") + "yx"
    order = [axes.lower().index(axis) for axis in stack.axes]
    np.testing.assert_array_equal(pixels(stack), array.transpose(order))
    with tifffile.TiffFile(write(stack, tmp_path / "b.tif")) as file:
        assert file.series[0].axes == axes
        np.testing.assert_array_equal(file.asarray(), array)
    again = open_stack(write(stack, tmp_path / "b.npy"), axes)
    np.testing.assert_array_equal(again.in_source_order(pixels(again)), array)
    stored = open_stack(write(stack, tmp_path / "b.ome.zarr"))
    np.testing.assert_array_equal(pixels(stored), pixels(stack))


def test_an_array_comes_back_in_its_own_order(tiny):
    array = RNG.integers(0, 999, (3, 40, 50), np.uint16)
    expected = denoise(array, tiny, "cyx")
    turned = denoise(np.moveaxis(array, 0, -1), tiny, "yxc")
    np.testing.assert_array_equal(turned, np.moveaxis(expected, 0, -1))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 20, 30), "zyx"), ((4, 5, 20, 30), "tzyx"), ((2, 4, 5, 20, 30), "tczyx")],
)
def test_unnamed_axes_are_stepped_through(tmp_path, shape, axes):
    array = RNG.integers(0, 999, shape, np.uint16)
    stack = open_stack(save(tmp_path, array))
    assert stack.axes == axes
    np.testing.assert_array_equal(pixels(stack), array)
    write(stack, tmp_path / "b.ome.zarr")
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for page in array.reshape(-1, 20, 30):
            file.write(page, metadata=None)
    assert open_stack(tmp_path / "pages.tif").axes == "zyx"


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_three_planes_are_no_colours(tmp_path, n, dtype):
    array = RNG.integers(0, 999, (n, 20, 30)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save(tmp_path, array)
    with pytest.warns(UserWarning, match=f"its {n} planes .* taken as planes.*axes syx"):
        stack = open_stack(path)
    assert stack.axes == "zyx"
    np.testing.assert_array_equal(pixels(stack), array)
    assert open_stack(path, "syx").axes == "yxs"


def test_one_of_several_images_is_chosen(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        file.write(np.full((5, 20, 30), 1, "u2"), metadata={"axes": "ZYX", "PhysicalSizeX": 1})
        file.write(np.full((5, 40, 30), 2, "u2"), metadata={"axes": "ZYX", "PhysicalSizeX": 7})
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(np.full((20, 30), 1, "u2"), metadata=None)
        file.write(np.full((40, 30), 2, "u2"), metadata=None)
    for path in tmp_path.iterdir():
        with pytest.raises(InputError, match=r"holds 2 images; .*--series 0 to 1"):
            open_stack(path)
        with pytest.raises(InputError, match="no image 2"):
            open_stack(path, series=2)
        stack = open_stack(path, series=1)
        assert stack.plane_shape == (40, 30)
        assert (pixels(stack) == 2).all()
        assert open_again(stack.opening).shape == stack.shape
    assert open_stack(tmp_path / "a.ome.tif", series=1).metadata.scale[-1] == 7
    with pytest.raises(InputError, match="holds a single image"):
        open_stack(_numpy(tmp_path), series=1)


def _numpy(folder):
    np.save(folder / "a.npy", GREY)
    return folder / "a.npy"


def test_thumbnails_are_no_images(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((200, 300), "u2"), metadata=None)
        file.write(np.zeros((20, 30), "u2"), subfiletype=1, metadata=None)
    assert open_stack(tmp_path / "a.tif").shape == (200, 300)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_white_is_zero_is_turned_round(tmp_path, dtype):
    array = GREY.astype(dtype)
    stack = open_stack(save(tmp_path, array, photometric="miniswhite"))
    np.testing.assert_array_equal(pixels(stack), np.iinfo(dtype).max - array)
    with pytest.raises(InputError, match="lowest values are white"):
        open_stack(save(tmp_path, GREY.astype("f4"), photometric="miniswhite"))


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (4, {"photometric": "separated"}, "printing inks"),
        (3, {"photometric": "cielab"}, "L.a.b. colours"),
        (3, {"photometric": "ycbcr"}, "YCbCr"),
        (1, {"photometric": "cfa"}, "raw pixels of a colour camera"),
        (
            1,
            {
                "photometric": "palette",
                "colormap": RNG.integers(0, 65535, (3, 256)).astype("u2"),
            },
            "palette",
        ),
    ],
)
def test_what_is_no_intensity_is_refused(tmp_path, samples, options, message):
    array = GREY if samples == 1 else np.repeat(GREY[..., None], samples, -1)
    with pytest.raises(InputError, match=message):
        open_stack(save(tmp_path, array, **options))


def test_tinted_grey_is_grey(tmp_path):
    colormap = np.zeros((3, 256), "u2")
    colormap[1] = np.linspace(0, 65535, 256)
    path = save(tmp_path, GREY, photometric="palette", colormap=colormap)
    np.testing.assert_array_equal(pixels(open_stack(path)), GREY)


def test_palettes_of_16_bits_are_told_apart(tmp_path):
    array = RNG.integers(0, 65535, (30, 40), "u2")
    tint = np.zeros((3, 65536), "u2")
    tint[0] = np.arange(65536)
    path = save(tmp_path, array, photometric="palette", colormap=tint)
    stack = open_stack(path)
    assert stack.dtype == array.dtype
    np.testing.assert_array_equal(pixels(stack), array)
    colours = RNG.integers(0, 65535, (3, 65536), "u2")
    path = save(tmp_path, array, photometric="palette", colormap=colours)
    with pytest.raises(InputError, match=r"a\.tif holds the numbers of palette colours"):
        open_stack(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_set_upright(tmp_path, orientation):
    picture = Image.fromarray(GREY)
    tag = picture.getexif()
    tag[274] = orientation
    picture.save(tmp_path / "a.png", exif=tag)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(pixels(open_stack(tmp_path / "a.png")), expected)
    path = save(tmp_path, GREY, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(pixels(open_stack(path)), expected)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("micron", "micrometer"),
        ("microns", "micrometer"),
        ("um", "micrometer"),
        ("\\u00B5m", "micrometer"),
        ("nm", "nanometer"),
        ("cm", "centimeter"),
        ("inch", "inch"),
        ("pixel", None),
    ],
)
def test_imagej_sizes_are_kept(tmp_path, unit, name):
    info = {"axes": "ZYX", "spacing": 3.0, "unit": unit, "finterval": 1}
    path = save(
        tmp_path, np.zeros((5, 20, 30), "u2"), imagej=True, resolution=(4, 2), metadata=info
    )
    for suffix in ("tif", "ome.tif", "ome.zarr"):
        metadata = open_stack(path).metadata
        assert metadata.units == (name,) * 3
        np.testing.assert_allclose(metadata.scale, (3, 0.5, 0.25), rtol=1e-6)
        path = write(open_stack(path), tmp_path / f"b.{suffix}")


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("cm", "centimeter"),
        ("m", "meter"),
        ("Å", "angstrom"),
        ("pm", "picometer"),
        ("µm", "micrometer"),
        ("in", "inch"),
        ("pixel", None),
    ],
)
def test_ome_sizes_are_kept(tmp_path, unit, name):
    sizes = {f"PhysicalSize{axis}": size for axis, size in zip("XYZ", (0.25, 0.5, 3), strict=True)}
    info = {"axes": "ZYX", **sizes, **{f"{key}Unit": unit for key in sizes}}
    path = save(tmp_path, np.zeros((5, 20, 30), "u2"), "a.ome.tif", metadata=info)
    for suffix in ("ome.tif", "tif", "ome.zarr"):
        metadata = open_stack(path).metadata
        assert metadata.units == (name,) * 3
        np.testing.assert_allclose(metadata.scale, (3, 0.5, 0.25), rtol=1e-6)
        path = write(open_stack(path), tmp_path / f"b.{suffix}")


@pytest.mark.parametrize(("code", "unit"), [(2, "inch"), (3, "centimeter"), (1, None)])
def test_resolutions_of_plain_files_are_kept(tmp_path, code, unit):
    metadata = open_stack(
        save(tmp_path, GREY, resolution=(10000, 5000), resolutionunit=code)
    ).metadata
    assert metadata.units == (unit, unit)
    assert metadata.scale == ((0.0002, 0.0001) if unit else (1, 1))


@pytest.mark.parametrize("suffix", ["tif", "ome.tif", "ome.zarr"])
def test_sizes_without_a_unit_lie_on_their_source(tmp_path, suffix):
    metadata = Metadata((2.0, 1.0, 1.0), (0.0,) * 3, (None,) * 3)
    stack = as_stack(np.zeros((5, 20, 30), "u2"), "zyx", metadata=metadata)
    again = open_stack(write(stack, tmp_path / f"a.{suffix}")).metadata
    assert (again.scale, again.units) == (metadata.scale, metadata.units)


def test_a_missing_file_of_an_ome_tiff_is_told(tmp_path):
    ids = [f"urn:uuid:{uuid.uuid4()}" for _ in range(2)]
    parts = "".join(
        f'<TiffData IFD="0" FirstC="{i}" PlaneCount="5"><UUID FileName="{i}.ome.tif">{one}</UUID>'
        "</TiffData>"
        for i, one in enumerate(ids)
    )
    for i, one in enumerate(ids):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME '
            f'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{one}"><Image '
            'ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" '
            f'SizeY="20" SizeZ="5" SizeC="2" SizeT="1">{parts}</Pixels></Image></OME>'
        )
        with tifffile.TiffWriter(tmp_path / f"{i}.ome.tif", ome=False) as file:
            for z in range(5):
                page = np.full((20, 30), 10 * i + z, "u2")
                file.write(page, description=xml if z == 0 else None, metadata=None)
    stack = open_stack(tmp_path / "0.ome.tif")
    assert stack.axes == "czyx"
    assert pixels(stack)[:, :, 0, 0].tolist() == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]
    (tmp_path / "1.ome.tif").unlink()
    with pytest.raises(InputError, match="describes 10 planes, but 5 of them are missing"):
        open_stack(tmp_path / "0.ome.tif")


@pytest.mark.parametrize("dtype", ["f2", "i8", "u8"])
def test_types_that_ome_tiff_lacks_are_refused_before_the_run(tmp_path, dtype):
    stack = as_stack(np.zeros((20, 30), dtype))
    with pytest.raises(InputError, match="OME-TIFF cannot hold pixels of type"):
        create_writer(tmp_path / "a.ome.tif", stack, stack.dtype)
    assert not list(tmp_path.iterdir())
    again = open_stack(write(stack, tmp_path / "a.tif"))
    assert again.dtype == stack.dtype


def test_big_endian_pixels_are_written_as_they_are(tmp_path):
    array = RNG.integers(0, 999, (5, 20, 30)).astype(">u2")
    for name in ("a.tif", "a.ome.tif", "a.npy", "a.ome.zarr"):
        again = open_stack(write(as_stack(array), tmp_path / name))
        np.testing.assert_array_equal(pixels(again), array)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("kept", [0.01, 0.3, 0.6, 0.9])
def test_files_that_are_cut_off_are_refused(tmp_path, compression, kept):
    array = RNG.integers(0, 999, (9, 40, 50), np.uint16)
    path = save(tmp_path, array, compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=r"a\.tif"):
        pixels(open_stack(path))


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
def test_damaged_pixels_are_an_error_of_the_file(tmp_path, compression):
    path = save(tmp_path, RNG.integers(0, 999, (40, 50), np.uint16), compression=compression)
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pixels of .*a\.tif cannot be read"):
        pixels(open_stack(path))


def test_huge_claims_are_refused_at_once(tmp_path):
    path = save(tmp_path, GREY)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(2**31 - 1)
        file.pages.first.tags["ImageWidth"].overwrite(2**15)
    with pytest.raises(InputError, match=r"a\.tif"):
        open_stack(path)
