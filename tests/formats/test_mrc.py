import mrcfile
import numpy as np
import pytest

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import Metadata, as_stack


def write(stack, path, dtype=None):
    writer = create_writer(path, stack, dtype or stack.dtype)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region))
    return writer.finish()


@pytest.fixture
def volume(tmp_path):
    """A tomogram as another program writes it: (5, 20, 30), int16, voxels of 13.5 angstroms."""
    values = np.random.default_rng(0).integers(-900, 900, (5, 20, 30)).astype(np.int16)
    with mrcfile.new(tmp_path / "tomogram.mrc") as file:
        file.set_data(values)
        file.set_volume()
        file.voxel_size = (13.5, 13.5, 27.0)
        file.header.origin.z = 54.0
    return tmp_path / "tomogram.mrc", values


def test_a_volume_is_opened_with_its_voxel_size_and_place(volume):
    path, values = volume
    stack = open_stack(path)
    assert (stack.axes, stack.dtype, stack.shape) == ("zyx", np.int16, values.shape)
    np.testing.assert_allclose(stack.metadata.scale, (2.7, 1.35, 1.35), rtol=1e-6)
    np.testing.assert_allclose(stack.metadata.translation, (5.4, 0, 0), rtol=1e-6)
    assert stack.metadata.units == ("nanometer",) * 3
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), values)


def test_a_result_is_read_by_mrcfile_as_it_was(volume, tmp_path):
    path, values = volume
    written = write(open_stack(path), tmp_path / "again.mrc")
    assert mrcfile.validate(written)
    with mrcfile.open(written) as file:
        np.testing.assert_array_equal(file.data, values)
        assert file.is_volume()
        np.testing.assert_allclose(file.voxel_size.tolist(), (13.5, 13.5, 27.0), rtol=1e-6)
        assert file.header.origin.z == pytest.approx(54.0)
        assert file.header.dmin == values.min()
        assert file.header.dmax == values.max()
        assert file.header.dmean == pytest.approx(values.mean(), rel=1e-5)
        assert file.header.rms == pytest.approx(values.std(), rel=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
@pytest.mark.parametrize("shape", [(9, 11), (3, 9, 11), (2, 3, 9, 11)])
def test_all_types_and_kinds_come_back(tmp_path, dtype, shape):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    stack = open_stack(write(as_stack(values, "tzyx"[-len(shape) :]), tmp_path / "a.mrc"))
    assert stack.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(stack.read(whole(shape)), values)


def test_micrometres_become_angstroms(tmp_path):
    metadata = Metadata((0.5, 0.1, 0.1), (0.0, 1.0, 2.0), ("micrometer",) * 3)
    stack = as_stack(np.zeros((2, 8, 8), np.uint16), "zyx", metadata=metadata)
    with mrcfile.open(write(stack, tmp_path / "a.mrc")) as file:
        np.testing.assert_allclose(file.voxel_size.tolist(), (1000, 1000, 5000), rtol=1e-6)
        np.testing.assert_allclose(file.header.origin.tolist(), (20000, 10000, 0), rtol=1e-6)


def test_what_mrc_cannot_hold_is_refused(tmp_path):
    for values, axes, words in (
        (np.zeros((4, 8, 8), np.uint8), "zyx", "cannot hold pixels of type uint8"),
        (np.zeros((8, 8, 3), np.uint16), "yxs", "cannot hold the axes yxs"),
        (np.zeros((2, 8, 8), np.uint16), "cyx", "cannot hold the axes cyx"),
    ):
        with pytest.raises(InputError, match=words):
            create_writer(tmp_path / "a.mrc", as_stack(values, axes), values.dtype)
    assert not list(tmp_path.iterdir())


def test_a_damaged_or_complex_file_is_told_in_a_sentence(volume, tmp_path):
    path, _ = volume
    (tmp_path / "short.mrc").write_bytes(path.read_bytes()[:1500])
    (tmp_path / "text.mrc").write_text("no image")
    for name in ("short.mrc", "text.mrc"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            open_stack(tmp_path / name)
    with mrcfile.new(tmp_path / "complex.mrc") as file:
        file.set_data(np.zeros((8, 8), np.complex64))
    with pytest.raises(InputError, match="complex64 cannot be denoised"):
        open_stack(tmp_path / "complex.mrc")


def test_a_cancelled_file_leaves_nothing(volume, tmp_path):
    path, _ = volume
    stack = open_stack(path)
    create_writer(tmp_path / "b.mrc", stack, stack.dtype).abort()
    assert [file.name for file in tmp_path.iterdir()] == ["tomogram.mrc"]
