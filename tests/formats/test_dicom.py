import sys

import dask.array as da
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from medical import PATIENT, PATIENT_ID, TILTED, hounsfield, read_values, write_series
from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack

ATTRIBUTES = {
    "software": "napari-clip-denoise 1.2.3",
    "model": "compact",
    "model_sha256": "0123456789abcdef0123",
    "settings": {"intensity": "window", "strength": 0.5},
}
CHANGED = {
    "ContributingEquipmentSequence",
    "DerivationDescription",
    "ImageType",
    "InstanceCreationDate",
    "InstanceCreationTime",
    "PixelData",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SourceImageSequence",
}


@pytest.fixture
def folder(tmp_path):
    write_series(tmp_path / "ct", hounsfield())
    return tmp_path / "ct"


def derive(stack, path, values=None, check=None, **options):
    dtype = stack.dtype if values is None else values.dtype
    writer = create_writer(path, stack, dtype, attributes=ATTRIBUTES, **options)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region) if values is None else values[region])
    np.testing.assert_array_equal(
        np.rint(writer.array[:]),
        np.rint(stack.read(whole(stack.shape)) if values is None else values),
    )
    return writer.finish(check)


def everything(stack):
    return stack.read(whole(stack.shape))


@pytest.mark.parametrize("by_file", [False, True], ids=["folder", "file"])
def test_a_series_is_a_stack_in_hounsfield_units(folder, by_file):
    stack = open_stack(folder / "IM0898" if by_file else folder)
    assert (stack.axes, stack.dtype) == ("zyx", np.int16)
    np.testing.assert_array_equal(everything(stack), hounsfield())
    np.testing.assert_array_equal(stack.array[2], hounsfield()[2])
    np.testing.assert_array_equal(stack.array[-1, 3:9, ::2], hounsfield()[-1, 3:9, ::2])
    assert stack.array[2:2].shape == (0, 40, 50)
    assert stack.metadata.scale == (2.5, 0.7, 0.8)
    assert stack.metadata.units == ("millimeter",) * 3
    assert stack.metadata.translation == (30.0, -90.0, -120.0)


def test_only_the_planes_asked_for_are_read(folder, monkeypatch):
    stack = open_stack(folder)
    read = []
    original = pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda p, **o: read.append(p.name) or original(p, **o))
    stack.read((slice(1, 3), slice(0, 5), slice(0, 5)))
    assert read == ["IM0899", "IM0898"]


def test_a_series_can_be_a_dask_array(folder):
    stack = open_stack(folder)
    lazy = da.from_array(stack.array, chunks=(1, *stack.plane_shape))
    np.testing.assert_array_equal(lazy.compute(), hounsfield())


def test_slices_are_sorted_along_the_normal_whatever_their_names_and_numbers(tmp_path):
    def change(dataset, number):
        dataset.InstanceNumber = (number * 7) % 5

    write_series(tmp_path / "ct", hounsfield((5, 20, 24)), orientation=TILTED, change=change)
    stack = open_stack(tmp_path / "ct")
    np.testing.assert_array_equal(everything(stack), hounsfield((5, 20, 24)))
    np.testing.assert_allclose(stack.metadata.scale, (2.5, 0.7, 0.8), rtol=1e-6)


def test_without_positions_the_numbers_tell_the_order(tmp_path):
    def change(dataset, number):
        del dataset.ImagePositionPatient

    write_series(tmp_path / "ct", hounsfield(), change=change)
    stack = open_stack(tmp_path / "ct")
    np.testing.assert_array_equal(everything(stack), hounsfield())
    assert stack.metadata.scale == (1.0, 0.7, 0.8)
    assert stack.metadata.units == (None, "millimeter", "millimeter")


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, -1024, "i2"), (1, 0, "u2"), (2, -1024, "i2"), (0.5, -100, "f4"), (0.0123, 7, "f4")],
)
def test_values_come_back_exactly(tmp_path, slope, intercept, dtype):
    values = hounsfield() * slope
    write_series(tmp_path / "ct", values, slope=slope, intercept=intercept)
    stack = open_stack(tmp_path / "ct")
    assert stack.dtype == np.dtype(dtype)
    derive(stack, tmp_path / "out")
    for i, path in enumerate(sorted((tmp_path / "out").iterdir())):
        _, result = read_values(path)
        _, source = read_values(tmp_path / "ct" / f"IM{900 - i:04d}")
        np.testing.assert_array_equal(result, source)
        np.testing.assert_allclose(stack.array[i], source, rtol=1e-6)


def test_values_between_the_steps_are_stored_to_the_nearest(tmp_path):
    write_series(tmp_path / "ct", hounsfield(), slope=0.5, intercept=-1024)
    stack = open_stack(tmp_path / "ct")
    values = everything(stack).astype("f8") * 0.4 + 0.123
    derive_path = tmp_path / "out"
    writer = create_writer(derive_path, stack, np.dtype("f4"))
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, values[region].astype("f4"))
    writer.finish()
    for i, path in enumerate(sorted(derive_path.iterdir())):
        _, result = read_values(path)
        assert np.abs(result - values[i]).max() <= 0.25 + 1e-4


def test_a_derived_series_keeps_every_tag_but_those_of_a_new_image(folder, tmp_path):
    stack = open_stack(folder)
    assert derive(stack, tmp_path / "out") == tmp_path / "out"
    results = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in results] == [f"000{i}.dcm" for i in range(1, 5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "out"]
    uids, series = set(), set()
    for i, path in enumerate(results):
        source, result = pydicom.dcmread(folder / f"IM{900 - i:04d}"), pydicom.dcmread(path)
        changed = {
            (result.get(tag) or source.get(tag)).keyword
            for tag in {*source.keys(), *result.keys()}
            if source.get(tag) != result.get(tag)
        }
        assert changed <= CHANGED
        assert result[0x0009, 0x1001].value == "kept too"
        assert result.PatientName == PATIENT
        assert list(result.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert result.SeriesDescription == "Abdomen denoised"
        note = result.DerivationDescription
        assert note == (
            "Denoised with napari-clip-denoise 1.2.3, model compact (0123456789abcdef), "
            "intensity window, strength 0.5"
        )
        assert result.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert result.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        equipment = result.ContributingEquipmentSequence[0]
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109103"
        assert result.file_meta.MediaStorageSOPInstanceUID == result.SOPInstanceUID
        assert result.SOPInstanceUID.is_valid
        uids |= {source.SOPInstanceUID, result.SOPInstanceUID}
        series |= {source.SeriesInstanceUID, result.SeriesInstanceUID}
    assert (len(uids), len(series)) == (8, 2)


def test_the_verdict_of_the_check_is_in_the_note_of_every_file(folder, tmp_path):
    stack = open_stack(folder)
    verdict = "Plane 2: structure was removed at 3 places; open Check result."
    derive(stack, tmp_path / "out", check=lambda: {"check": {"verdict": verdict}})
    derive(stack, tmp_path / "unchecked")
    for number in range(1, 5):
        result = pydicom.dcmread(tmp_path / "out" / f"000{number}.dcm")
        plain = pydicom.dcmread(tmp_path / "unchecked" / f"000{number}.dcm")
        assert result.DerivationDescription == f"{plain.DerivationDescription}; {verdict}"
        np.testing.assert_array_equal(result.pixel_array, plain.pixel_array)


def test_a_note_is_never_longer_than_dicom_allows(tmp_path):
    def change(dataset, number):
        dataset.DerivationDescription = "edges enhanced " * 68

    write_series(tmp_path / "ct", hounsfield(), change=change)
    long = {"check": {"verdict": "Not checked: " + "é" * 300}}
    derive(open_stack(tmp_path / "ct"), tmp_path / "out", check=lambda: long)
    note = pydicom.dcmread(tmp_path / "out" / "0001.dcm").DerivationDescription
    assert len(note) == 1024
    assert "strength 0.5; Not checked: ???" in note


def test_what_was_done_before_is_not_forgotten(tmp_path):
    def change(dataset, number):
        dataset.DerivationDescription = "Edges enhanced"
        dataset.SmallestImagePixelValue = 0
        dataset["SmallestImagePixelValue"].VR = "US"

    write_series(tmp_path / "ct", hounsfield(), change=change)
    derive(open_stack(tmp_path / "ct"), tmp_path / "one")
    derive(open_stack(tmp_path / "one"), tmp_path / "two")
    result = pydicom.dcmread(tmp_path / "two" / "0001.dcm")
    assert result.DerivationDescription.count("Denoised") == 2
    assert result.DerivationDescription.startswith("Edges enhanced; Denoised")
    assert len(result.ContributingEquipmentSequence) == 2
    assert result.SmallestImagePixelValue == result.pixel_array.min()


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless],
    ids=lambda uid: uid.keyword,
)
def test_other_transfer_syntaxes(tmp_path, syntax):
    def change(dataset, number):
        if syntax == RLELossless:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            dataset.compress(RLELossless, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()

    write_series(tmp_path / "ct", hounsfield(), syntax=syntax, change=change)
    stack = open_stack(tmp_path / "ct")
    np.testing.assert_array_equal(everything(stack), hounsfield())
    derive(stack, tmp_path / "out")
    result, values = read_values(tmp_path / "out" / "0002.dcm")
    np.testing.assert_array_equal(values, hounsfield()[1])
    assert not result.file_meta.TransferSyntaxUID.is_compressed
    assert result.PatientName == PATIENT
    assert result.PixelSpacing == [0.7, 0.8]


def test_lossy_compression_is_not_forgotten(tmp_path):
    from PIL import Image
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    def change(dataset, number):
        import io

        file = io.BytesIO()
        Image.fromarray(np.full((40, 50), 90, np.uint8)).save(file, "JPEG")
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = encapsulate([file.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    write_series(tmp_path / "ct", hounsfield(), slope=1, intercept=0, change=change)
    derive(open_stack(tmp_path / "ct"), tmp_path / "out")
    result, values = read_values(tmp_path / "out" / "0001.dcm")
    assert result.LossyImageCompression == "01"
    np.testing.assert_array_equal(values, 90)


def test_padding_is_kept(tmp_path):
    def change(dataset, number):
        stored = dataset.pixel_array.astype("<i2")
        stored[:3] = -2000
        dataset.PixelRepresentation = 1
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.PixelData = stored.tobytes()
        dataset.add_new("PixelPaddingValue", "SS", -2000)

    write_series(tmp_path / "ct", hounsfield(), change=change)
    stack = open_stack(tmp_path / "ct")
    writer = create_writer(tmp_path / "out", stack, stack.dtype)
    writer.write(whole(stack.shape), np.full(stack.shape, 5, stack.dtype))
    writer.finish()
    result = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
    assert (result.pixel_array[:3] == -2000).all()
    assert (result.pixel_array[3:] == 5 + 1024).all()


def test_a_single_image_is_a_file(tmp_path):
    write_series(tmp_path / "ct", hounsfield((1, 30, 30)))
    derive(open_stack(tmp_path / "ct"), tmp_path / "out.dcm")
    _, values = read_values(tmp_path / "out.dcm")
    np.testing.assert_array_equal(values, hounsfield((1, 30, 30))[0])
    assert open_stack(tmp_path / "out.dcm").metadata.scale == (2.5, 0.7, 0.8)


def test_uneven_steps_are_told_and_kept(tmp_path):
    write_series(tmp_path / "ct", hounsfield(), positions=[0, 2.5, 5, 10])
    with pytest.warns(UserWarning, match=r"2\.5 to 5 mm apart"):
        stack = open_stack(tmp_path / "ct")
    assert stack.metadata.scale[0] == 2.5
    derive(stack, tmp_path / "out")
    assert pydicom.dcmread(tmp_path / "out" / "0004.dcm").ImagePositionPatient[2] == 40
    with pytest.raises(InputError, match="not evenly spaced"):
        create_writer(tmp_path / "out.nii", stack, stack.dtype)


def sizes(dataset, number):
    if number == 2:
        dataset.Rows, dataset.PixelData = 20, dataset.PixelData[: 20 * 50 * 2]


def localizer(dataset, number):
    if number == 0:
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]


def phases(dataset, number):
    dataset.ImagePositionPatient = [0, 0, number // 2]


def colour(dataset, number):
    dataset.SamplesPerPixel = 3


def frames(dataset, number):
    dataset.NumberOfFrames = 7


def table(dataset, number):
    dataset.ModalityLUTSequence = [pydicom.Dataset()]


def one_bit(dataset, number):
    dataset.BitsAllocated = 1


def compressed(dataset, number):
    from pydicom.encaps import encapsulate

    dataset.PixelData = encapsulate([b"\0" * 8])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless


def no_image(dataset, number):
    del dataset.Rows, dataset.PixelData


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (sizes, "different sizes, 20 x 50 and 40 x 50"),
        (localizer, "not parallel"),
        (phases, "several images of the same place"),
        (colour, "in colour"),
        (frames, "holds 7 frames"),
        (table, "look-up table"),
        (one_bit, "8, 16 or 32 bits"),
        (compressed, r"compressed \(JPEG-LS Lossless Image Compression\)"),
        (no_image, "holds no DICOM, TIFF or PNG images"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_no_stack_is_one_sentence(tmp_path, change, message):
    write_series(tmp_path / "ct", hounsfield(), change=change)
    with pytest.raises(InputError, match=message) as error:
        open_stack(tmp_path / "ct")
    assert str(error.value).count(". ") == 0
    assert PATIENT not in str(error.value)


def test_a_file_without_an_image_says_what_it_is(tmp_path):
    write_series(tmp_path / "ct", hounsfield(), change=no_image)
    with pytest.raises(InputError, match=r"IM0900 holds no image \(CT Image Storage\)"):
        open_stack(tmp_path / "ct" / "IM0900")


def test_several_series_are_told_apart(folder):
    write_series(folder / "more", hounsfield((2, 40, 50), seed=1))
    for path in (folder / "more").iterdir():
        path.rename(folder / f"{path.name}.dcm")
    (folder / "more").rmdir()
    (folder / "notes.txt").write_text("not an image")
    with pytest.raises(InputError, match="holds 2 series; give a file of the one you want"):
        open_stack(folder)
    assert open_stack(folder / "IM0899").shape[0] == 4
    assert open_stack(folder / "IM0899.dcm").shape[0] == 2


def test_damaged_files_are_refused(folder, tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no image at all")
    with pytest.raises(InputError, match=r"a\.dcm is not a DICOM file"):
        open_stack(tmp_path / "a.dcm")
    stack = open_stack(folder)
    path = folder / "IM0899"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="pixels of IM0899 cannot be decoded"):
        everything(stack)


def test_a_series_needs_a_series_to_be_derived_from(folder, tmp_path):
    stack = as_stack(hounsfield())
    with pytest.raises(
        InputError, match="out has no ending, and DICOM can only be derived from DICOM"
    ):
        create_writer(tmp_path / "out", stack, stack.dtype)
    stack = open_stack(folder)
    with pytest.raises(InputError, match="holds one image, but the series has 4"):
        create_writer(tmp_path / "out.dcm", stack, stack.dtype)
    with pytest.raises(OutputError, match="is the input"):
        create_writer(folder, open_stack(folder / "IM0900"), stack.dtype, overwrite=True)
    assert len(list(folder.iterdir())) == 4


def test_only_a_series_is_replaced(folder, tmp_path):
    stack = open_stack(folder)
    derive(stack, tmp_path / "out")
    with pytest.raises(OutputError, match="already exists"):
        create_writer(tmp_path / "out", stack, stack.dtype)
    derive(stack, tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "thesis.doc").touch()
    with pytest.raises(OutputError, match="files that this program did not write"):
        create_writer(tmp_path / "out", stack, stack.dtype, overwrite=True)
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_an_aborted_series_leaves_nothing(folder, tmp_path):
    stack = open_stack(folder)
    writer = create_writer(tmp_path / "out", stack, stack.dtype)
    writer.write((slice(0, 1), *whole(stack.shape)[1:]), stack.array[:1])
    assert writer.array[0].any()
    assert not writer.array[1].any()
    writer.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


@pytest.mark.parametrize("module", ["pydicom", "nibabel"])
def test_without_the_library_the_extra_is_named(tmp_path, folder, monkeypatch, module):
    for name in [name for name in sys.modules if name.startswith("napari_clip_denoise.formats.")]:
        if name.rsplit(".")[-1] in ("dicom_reader", "dicom_file", "nifti"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "a.nii").touch()
    with pytest.raises(InputError, match=r'pip install "napari-clip-denoise\[medical\]"'):
        open_stack(folder if module == "pydicom" else tmp_path / "a.nii")


def test_the_name_and_origin_tell_nothing_of_the_patient(tmp_path):
    write_series(tmp_path / "Roe_Jane", hounsfield())
    stack = open_stack(tmp_path / "Roe_Jane")
    assert stack.name.startswith("CT ")
    assert stack.origin == stack.name
    again = open_stack(tmp_path / "Roe_Jane" / "IM0899", "tyx")
    assert (again.origin, again.axes) == (stack.name, "tyx")
    assert PATIENT_ID not in repr(stack.metadata)


@pytest.mark.parametrize("dtype", ["i2", "u2"])
@pytest.mark.parametrize("declared", [("US", 63536), ("SS", -2000), None])
def test_padding_is_found_however_it_is_stored(tmp_path, dtype, declared):
    values = hounsfield((2, 80, 90))
    y, x = np.mgrid[:80, :90]
    around = np.broadcast_to(np.hypot(y - 40, x - 45) > 38, values.shape)
    values[around] = -2000
    intercept = 0 if dtype == "i2" else -3000

    def padded(dataset, number):
        stored = (values[number] - intercept).astype(dtype)
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.PixelRepresentation = int(dtype == "i2")
        if declared and dtype == "i2":
            dataset.add_new("PixelPaddingValue", *declared)
        elif declared:
            dataset.add_new("PixelPaddingValue", "US", 1000)
        dataset.PixelData = stored.tobytes()

    write_series(tmp_path / "ct", values, intercept=intercept, change=padded)
    stack = open_stack(tmp_path / "ct")
    np.testing.assert_array_equal(everything(stack), values)
    result = denoise(stack, "compact", intensity="window")
    assert (result[around] == -2000).all()
    beside = ~around & (values < -900)
    assert abs(result[beside].mean() - values[beside].mean()) < 30


def test_only_the_stored_bits_of_padding_count(tmp_path):
    def padded(dataset, number):
        stored = np.full((40, 50), 1000, "<u2")
        stored[:5] = 63536
        dataset.add_new("PixelPaddingValue", "US", 63536)
        dataset.PixelData = stored.tobytes()

    write_series(tmp_path / "ct", hounsfield(), change=padded)
    stack = open_stack(tmp_path / "ct")
    padding = 63536 % 2**12 - 1024
    assert stack.padding == (padding, padding)
    assert (everything(stack)[:, :5] == padding).all()


def test_slices_without_the_preamble_are_read(tmp_path):
    values = hounsfield((7, 40, 50))
    paths = write_series(tmp_path / "ct", values)
    for path, is_implicit in ((paths[1], True), (paths[4], False), (paths[6], True)):
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=is_implicit, little_endian=True)
        assert not path.read_bytes()[128:].startswith(b"DICM")
    stack = open_stack(tmp_path / "ct")
    np.testing.assert_array_equal(everything(stack), values)
    np.testing.assert_array_equal(everything(open_stack(paths[4])), values)
    np.testing.assert_array_equal(everything(open_stack(derive(stack, tmp_path / "out"))), values)


def _palette(dataset, number):
    dataset.PhotometricInterpretation = "PALETTE COLOR"


def _dose(dataset, number):
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.RTDoseStorage


def _twelve_bits(dataset, number):
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGExtended12Bit
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(100)])
    dataset["PixelData"].is_undefined_length = True


def _endless(dataset, number):
    dataset.NumberOfFrames = 2**31 - 1


def _huge(dataset, number):
    dataset.Rows = dataset.Columns = 65535


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_palette, "in colour"),
        (_dose, "no picture .RT Dose Storage"),
        (_twelve_bits, "no decoder is installed; run: pip install python-gdcm"),
        (_endless, "claims 2147483647 frames"),
        (_huge, "cut off: it claims 1 x 65535 x 65535 pixels"),
    ],
)
@pytest.mark.parametrize("n_slices", [1, 3])
def test_what_is_no_grey_image_is_refused(tmp_path, change, message, n_slices):
    paths = write_series(tmp_path / "ct", hounsfield()[:n_slices], change=change)
    for path in (tmp_path / "ct", paths[0]):
        with pytest.raises(InputError, match=message):
            open_stack(path)
