import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_stack

END_OF_HEADER = 8 + 25
RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65535, (20, 30, 3), "u2")
GREY = RNG.integers(0, 255, (20, 30), "u1")


def apng(path, frames):
    first, *others = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=others)
    return path


def test_one_frame_of_an_animation_is_chosen(tmp_path):
    frames = [GREY, 255 - GREY]
    path = apng(tmp_path / "a.png", frames)
    with pytest.raises(InputError, match=r"holds 2 pictures; choose one .*--series 0 to 1"):
        open_stack(path)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(open_stack(path, series=number).array, frame)
    with pytest.raises(InputError, match="has no picture 2; it holds 2"):
        open_stack(path, series=2)


def test_inks_are_refused(tmp_path):
    Image.fromarray(np.repeat(GREY[..., None], 4, -1), "CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="holds CMYK colours, not grey or RGB; convert it"):
        open_stack(tmp_path / "a.jpg")


def test_colours_of_16_bits_keep_all_bits(tmp_path):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(DEEP))
    stack = open_stack(tmp_path / "a.png")
    assert (stack.axes, stack.dtype) == ("yxs", DEEP.dtype)
    np.testing.assert_array_equal(stack.array, DEEP)


def deep_with(path, kind, data, array=DEEP):
    """Write a PNG of 16 bits with another chunk after its header."""
    encoded, body = imagecodecs.png_encode(array), kind + data
    chunk = len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(encoded[:END_OF_HEADER] + chunk + encoded[END_OF_HEADER:])
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_colours_of_16_bits_are_set_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = deep_with(tmp_path / "a.png", b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    ranks = np.arange(20 * 30, dtype="i4").reshape(20, 30)
    picture = Image.fromarray(ranks)
    picture.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(open_stack(path).array, DEEP.reshape(-1, 3)[upright])


def test_a_deep_animation_is_refused(tmp_path):
    path = deep_with(tmp_path / "a.png", b"acTL", bytes([0, 0, 0, 2, 0, 0, 0, 0]))
    for series in (0, 1):
        with pytest.raises(InputError, match=r"several pictures of 16 bits, .*; save them as TIFF"):
            open_stack(path, series=series)


def test_grey_and_opaque_is_grey_and_transparency_is_told(tmp_path):
    values = RNG.integers(0, 65535, (20, 30, 2), "u2")
    values[..., 1] = 65535
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(values))
    stack = open_stack(tmp_path / "a.png")
    assert stack.axes == "yx"
    np.testing.assert_array_equal(stack.array, values[..., 0])
    values[3, 4, 1] = 0
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(values))
    with pytest.raises(InputError, match="transparent pixels"):
        open_stack(tmp_path / "b.png")


@pytest.mark.parametrize("array", [DEEP, DEEP[..., 0].copy()], ids=["colours", "grey"])
def test_a_transparent_colour_of_16_bits_matters_where_it_is(tmp_path, array):
    def saved(colour):
        data = np.atleast_1d(colour).astype(">u2").tobytes()
        return deep_with(tmp_path / "a.png", b"tRNS", data, array)

    unused = np.full_like(array[0, 0], 65535)
    np.testing.assert_array_equal(open_stack(saved(unused)).array, array)
    path = saved(array[3, 4])
    with pytest.raises(InputError, match="transparent pixels"):
        open_stack(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_on_their_side_are_set_upright(tmp_path, suffix):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(GREY).save(tmp_path / f"a{suffix}", exif=exif)
    expected = np.rot90(np.asarray(Image.open(tmp_path / f"a{suffix}")), -1)
    array = open_stack(tmp_path / f"a{suffix}").array
    assert array.shape == (30, 20)
    np.testing.assert_array_equal(array, expected)
