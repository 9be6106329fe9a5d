import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.regions import whole


def pixels(stack):
    return stack.read(whole(stack.shape))


@pytest.fixture
def planes():
    return np.random.default_rng(0).integers(0, 999, (12, 30, 40), "u2")


@pytest.fixture
def folder(tmp_path, planes):
    """A folder of TIFF files a0.tif to a11.tif, one plane each."""
    (tmp_path / "stack").mkdir()
    for number, plane in enumerate(planes):
        tifffile.imwrite(tmp_path / "stack" / f"a{number}.tif", plane)
    return tmp_path / "stack"


def test_files_are_planes_in_natural_order(folder, planes):
    (folder / "notes.txt").touch()
    (folder / ".a99.tif").touch()
    stack = open_stack(folder)
    assert (stack.axes, stack.shape, stack.dtype) == ("zyx", (12, 30, 40), planes.dtype)
    np.testing.assert_array_equal(pixels(stack), planes)
    np.testing.assert_array_equal(
        stack.read((slice(2, 9, 3), slice(5), slice(6))), planes[2:9:3, :5, :6]
    )
    assert open_stack(folder, "tyx").axes == "tyx"


def test_a_folder_is_denoised_like_its_array(folder, planes, tiny):
    result = denoise(open_stack(folder), tiny, device="cpu")
    np.testing.assert_array_equal(result, denoise(planes, tiny, device="cpu", axes="zyx"))


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (np.zeros((30, 41), "u2"), r"a0\.tif is 30 x 40 yx of uint16, but a12\.tif is 30 x 41 yx"),
        (np.zeros((30, 40), "u1"), r"a12\.tif is 30 x 40 yx of uint8; move what does not belong"),
        (np.zeros((2, 30, 40), "u2"), r"a12\.tif is 2 x 30 x 40 zyx"),
    ],
)
def test_what_does_not_belong_to_the_stack_is_named(folder, plane, message):
    tifffile.imwrite(folder / "a12.tif", plane)
    with pytest.raises(InputError, match=message) as refused:
        open_stack(folder)
    assert "\n" not in str(refused.value)


def test_a_damaged_plane_is_named(folder):
    (folder / "a7.tif").write_bytes(b"no image at all")
    with pytest.raises(InputError, match=r"a7\.tif cannot be read as TIFF"):
        open_stack(folder)


def test_a_file_that_changes_after_opening_is_named(folder):
    stack = open_stack(folder)
    tifffile.imwrite(folder / "a7.tif", np.zeros((30, 41), "u2"))
    with pytest.raises(InputError, match=r"a7\.tif is 30 x 41"):
        pixels(stack)


def test_pictures_are_planes_too_and_kinds_are_not_mixed(tmp_path, planes):
    (tmp_path / "png").mkdir()
    for number in (10, 9, 100):
        Image.fromarray(planes[number % 12]).save(tmp_path / "png" / f"p_{number}.png")
    np.testing.assert_array_equal(pixels(open_stack(tmp_path / "png")), planes[[9, 10, 4]])
    tifffile.imwrite(tmp_path / "png" / "p_1.tif", planes[0])
    with pytest.raises(InputError, match=r"images of several kinds \(\.png, \.tif\)"):
        open_stack(tmp_path / "png")


def test_volumes_become_one_stack_and_colours_stay(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (2, 3, 20, 30), "u1")
    colours = np.random.default_rng(1).integers(0, 255, (2, 20, 30, 3), "u1")
    for name in ("volumes", "colours"):
        (tmp_path / name).mkdir()
    for number in (0, 1):
        tifffile.imwrite(
            tmp_path / "volumes" / f"v{number}.tif", values[number], photometric="minisblack"
        )
        tifffile.imwrite(
            tmp_path / "colours" / f"c{number}.tif", colours[number], photometric="rgb"
        )
    stack = open_stack(tmp_path / "volumes")
    assert stack.axes == "tzyx"
    np.testing.assert_array_equal(pixels(stack), values)
    stack = open_stack(tmp_path / "colours")
    assert stack.axes == "zyxs"
    np.testing.assert_array_equal(pixels(stack), colours)
