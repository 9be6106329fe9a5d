import nibabel
import numpy as np
import pytest

from medical import TILTED, hounsfield, write_series
from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import Metadata, as_stack

AFFINE = np.array(
    [[-0.8, 0.0, 0.0, 90.0], [0.0, 0.0, 2.5, -120.0], [0.0, 0.7, 0.0, -70.0], [0, 0, 0, 1.0]]
)


def everything(stack):
    return stack.read(whole(stack.shape))


def write(stack, path, values=None, dtype=None, **options):
    writer = create_writer(path, stack, np.dtype(dtype or stack.dtype), **options)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region) if values is None else values[region])
    return writer.finish()


def volume(shape=(9, 8, 5), dtype="i2", kind=nibabel.Nifti1Image, slope=None, intercept=0.0):
    stored = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    image = kind(stored, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"a scan"
    image.header["cal_max"] = 400
    if slope is not None:
        image.header.set_slope_inter(slope, intercept)
    return image


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 5), (9, 8, 5, 3), (9, 8, 5, 3, 2), (9, 8, 1, 3)])
def test_a_volume_is_a_stack_and_a_stack_a_volume(tmp_path, suffix, shape):
    image = volume(shape)
    image.header.set_zooms([0.8, 0.7, 2.5, 4.0, 1.0][: len(shape)])
    nibabel.save(image, tmp_path / f"in{suffix}")
    stack = open_stack(tmp_path / f"in{suffix}")
    assert stack.axes == "ctzyx"[-len(shape) :]
    np.testing.assert_array_equal(everything(stack), image.get_fdata().T)
    assert stack.dtype == np.int16
    scale = dict(zip(stack.axes, stack.metadata.scale, strict=True))
    units = dict(zip(stack.axes, stack.metadata.units, strict=True))
    assert (scale["y"], scale["x"]) == pytest.approx((0.7, 0.8))
    assert units["x"] == "millimeter"
    if "t" in scale:
        assert (scale["t"], units["t"]) == (4.0, "second")

    result = nibabel.load(write(stack, tmp_path / f"out{suffix}"))
    assert result.shape == shape
    assert result.get_data_dtype() == np.int16
    np.testing.assert_array_equal(result.get_fdata(), image.get_fdata())
    np.testing.assert_array_equal(result.affine, nibabel.load(tmp_path / f"in{suffix}").affine)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{suffix}", f"out{suffix}"]


def test_the_whole_header_is_kept(tmp_path):
    image = volume((9, 8, 5, 3))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept too"))
    image.header["toffset"] = 1.5
    nibabel.save(image, tmp_path / "in.nii")
    stack = open_stack(tmp_path / "in.nii")
    assert stack.metadata.translation[0] == 1.5
    before = nibabel.load(tmp_path / "in.nii").header
    after = nibabel.load(write(stack, tmp_path / "out.nii")).header
    for field in before:
        if field not in ("descrip", "vox_offset", "scl_slope", "scl_inter"):
            np.testing.assert_array_equal(after[field], before[field], err_msg=field)
    assert after["descrip"] == b"a scan; denoised: napari-clip-denoise"
    assert after.extensions[0].get_content() == b"kept too"


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "expected"),
    [("i2", 1, -1024, "i4"), ("u1", 1, -10, "i2"), ("i2", 0.5, 3, "f4"), ("f4", 2, 1, "f4")],
)
def test_scaled_values_come_back_as_they_were_stored(tmp_path, dtype, slope, intercept, expected):
    image = volume(dtype=dtype, slope=slope, intercept=intercept)
    nibabel.save(image, tmp_path / "in.nii.gz")
    image = nibabel.load(tmp_path / "in.nii.gz")
    stack = open_stack(tmp_path / "in.nii.gz")
    assert stack.dtype == np.dtype(expected)
    np.testing.assert_allclose(everything(stack), image.get_fdata().T, rtol=1e-6)
    result = nibabel.load(write(stack, tmp_path / "out.nii.gz"))
    assert result.get_data_dtype() == np.dtype(dtype)
    assert (result.dataobj.slope, result.dataobj.inter) == (slope, intercept)
    np.testing.assert_array_equal(result.get_fdata(), image.get_fdata())


def test_another_type_is_stored_as_such(tmp_path):
    nibabel.save(volume(slope=0.5, intercept=1), tmp_path / "in.nii")
    stack = open_stack(tmp_path / "in.nii")
    values = everything(stack).astype("f8") + 0.1
    result = nibabel.load(write(stack, tmp_path / "out.nii", values, dtype="f8"))
    assert result.get_data_dtype() == np.float64
    np.testing.assert_array_equal(result.get_fdata().T, values)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_byte_order_and_version_do_not_matter(tmp_path, kind):
    image = volume(kind=kind)
    header = image.header.as_byteswapped(">")
    nibabel.save(kind(np.asarray(image.dataobj), AFFINE, header), tmp_path / "in.nii")
    assert nibabel.load(tmp_path / "in.nii").header.endianness == ">"
    stack = open_stack(tmp_path / "in.nii")
    assert stack.dtype.isnative
    np.testing.assert_array_equal(everything(stack), image.get_fdata().T)
    result = nibabel.load(write(stack, tmp_path / "out.nii"))
    assert type(result) is kind
    np.testing.assert_array_equal(result.get_fdata(), image.get_fdata())
    np.testing.assert_allclose(result.affine, AFFINE)


def test_an_uncompressed_volume_is_not_read_before_it_is_asked_for(tmp_path):
    nibabel.save(volume((9, 8, 5)), tmp_path / "in.nii")
    stack = open_stack(tmp_path / "in.nii")
    assert isinstance(stack.array._stored.base, np.memmap) or isinstance(
        stack.array._stored, np.memmap
    )


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), TILTED, (0, 1, 0, 0, 0, -1)])
def test_a_dicom_series_keeps_its_place_in_the_patient(tmp_path, orientation):
    paths = write_series(tmp_path / "ct", hounsfield(), orientation=orientation)
    import pydicom

    result = nibabel.load(write(open_stack(tmp_path / "ct"), tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(result.get_fdata().T, hounsfield())
    assert result.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(result.header.get_zooms(), (0.8, 0.7, 2.5), rtol=1e-6)
    np.testing.assert_allclose(result.get_qform(), result.get_sform(), atol=1e-3)
    for i, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        row, column = np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
        place = np.array(dataset.ImagePositionPatient, float) + 7 * 0.8 * row + 3 * 0.7 * column
        expected = place * (-1, -1, 1)
        np.testing.assert_allclose(result.affine @ (7, 3, i, 1), [*expected, 1], atol=1e-3)


def test_a_microscope_stack_keeps_its_steps(tmp_path):
    values = np.random.default_rng(0).integers(0, 999, (2, 3, 4, 7, 6)).astype("u2")
    units = ("second", None, *("micrometer",) * 3)
    metadata = Metadata((2.0, 1.0, 0.5, 0.2, 0.1), (0, 0, 5, 6, 7), units)
    stack = as_stack(values, "tczyx", metadata=metadata)
    result = nibabel.load(write(stack, tmp_path / "out.nii"))
    assert result.shape == (6, 7, 4, 2, 3)
    np.testing.assert_array_equal(result.get_fdata().T, values.transpose(1, 0, 2, 3, 4))
    np.testing.assert_allclose(result.header.get_zooms()[:4], (0.1, 0.2, 0.5, 2.0))
    assert result.header.get_xyzt_units() == ("micron", "sec")
    again = open_stack(tmp_path / "out.nii")
    np.testing.assert_allclose(again.metadata.translation, (0, 0, 5, 6, 7))
    assert again.metadata.units == (None, "second", *("micrometer",) * 3)


@pytest.mark.parametrize(
    ("axes", "shape", "dtype", "message"),
    [
        ("yxs", (9, 9, 3), "u1", "cannot hold the axes yxs"),
        ("qyx", (2, 9, 9), "u1", "cannot hold the axes qyx"),
        ("yx", (9, 9), "f2", "pixels of type float16"),
    ],
)
def test_what_nifti_cannot_hold(tmp_path, axes, shape, dtype, message):
    stack = as_stack(np.ones(shape, dtype), axes)
    with pytest.raises(InputError, match=message):
        create_writer(tmp_path / "out.nii", stack, stack.dtype)
    assert not list(tmp_path.iterdir())


def test_damaged_and_odd_files_are_refused(tmp_path):
    for name in ("a.nii", "a.nii.gz"):
        (tmp_path / name).write_bytes(b"no image at all")
        with pytest.raises(InputError, match="may be damaged"):
            open_stack(tmp_path / name)
    nibabel.save(volume(), tmp_path / "b.nii.gz")
    data = (tmp_path / "b.nii.gz").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(data[:-200])
    with pytest.raises(InputError, match="may be damaged"):
        open_stack(tmp_path / "b.nii.gz")
    colour = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "c.nii")
    with pytest.raises(InputError, match="give real numbers"):
        open_stack(tmp_path / "c.nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("dtype", "around"), [("i2", -2000), ("f4", -3024.5)])
def test_what_lies_around_a_scan_is_kept_and_never_seen(tmp_path, suffix, dtype, around):
    values = hounsfield((3, 80, 90)).astype(dtype)
    y, x = np.mgrid[:80, :90]
    outside = np.broadcast_to(np.hypot(y - 40, x - 45) > 38, values.shape)
    levels = np.array([-1000, 40, 900], dtype)
    clean = levels[np.abs(values[..., None] - levels).argmin(-1)]
    alone = _rms(denoise(values, "compact", intensity="window"), clean, ~outside)
    values[outside] = around
    nibabel.save(nibabel.Nifti1Image(values.T, AFFINE), tmp_path / f"ct{suffix}")
    stack = open_stack(tmp_path / f"ct{suffix}")
    assert stack.padding == (around, around)
    result = denoise(stack, "compact", intensity="window")
    np.testing.assert_array_equal(result[outside], values[outside])
    beside = ~outside & (values < -900)
    assert abs(result[beside].mean() - values[beside].mean()) < 30
    assert _rms(result, clean, ~outside) < 1.1 * alone < 0.8 * _rms(values, clean, ~outside)


def _rms(values, clean, where):
    return np.sqrt(np.mean((values[where].astype(float) - clean[where]) ** 2))


def test_corners_that_tissue_can_have_are_no_padding(tmp_path):
    nibabel.save(nibabel.Nifti1Image(hounsfield().T, AFFINE), tmp_path / "ct.nii")
    assert open_stack(tmp_path / "ct.nii").padding is None


def test_an_aborted_volume_leaves_nothing(tmp_path):
    stack = as_stack(np.ones((3, 4, 5), "f4"))
    writer = create_writer(tmp_path / "out.nii.gz", stack, stack.dtype)
    writer.write(whole(stack.shape), stack.array)
    np.testing.assert_array_equal(writer.array[:], 1)
    writer.abort()
    assert not list(tmp_path.iterdir())


def test_the_name_and_origin_tell_nothing_of_the_patient(tmp_path):
    nibabel.save(volume(), tmp_path / "Roe_Jane.nii")
    stack = open_stack(tmp_path / "Roe_Jane.nii")
    assert stack.name.startswith("NIfTI ")
    assert stack.origin == stack.name
