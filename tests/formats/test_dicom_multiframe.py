import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    RTDoseStorage,
    UltrasoundMultiFrameImageStorage,
)

from medical import AXIAL, PATIENT, TILTED, hounsfield, write_frames, write_series
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.formats.medical import dicom_multiframe_writer as dicom_frames_writer
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.inference.api import denoise
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import DenoiseSettings


def item(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def enhance(dataset, *, lines=((1, -1024),), orientation=AXIAL, places=None):
    """Describe frames by functional groups; their places are 2.5 mm apart."""
    normal = np.cross(orientation[:3], orientation[3:])
    n_frames = int(dataset.NumberOfFrames)
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[item(PixelSpacing=[0.7, 0.8], SliceThickness=3)],
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(orientation))],
            CTImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
        )
    ]
    groups = []
    for i in range(n_frames):
        place = normal * (places[i] if places is not None else 2.5 * i)
        slope, intercept = lines[i % len(lines)]
        groups.append(
            item(
                PlanePositionSequence=[item(ImagePositionPatient=[f"{v:.4f}" for v in place])],
                PixelValueTransformationSequence=[
                    item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")
                ],
            )
        )
    dataset.PerFrameFunctionalGroupsSequence = groups


def stored(shape=(4, 40, 50), seed=0):
    return (hounsfield(shape, seed).astype(int) + 1024).astype(np.uint16)


def derive(stack, path, values=None):
    """Write a stack, in regions that are not asked for in order."""
    writer = create_writer(path, stack, stack.dtype)
    for region in reversed(list(split(stack.shape, (1, *stack.plane_shape)))):
        writer.write(region, stack.read(region) if values is None else values[region])
    np.testing.assert_array_equal(
        writer.array[:], stack.read(whole(stack.shape)) if values is None else values
    )
    return writer.finish()


def test_enhanced_frames_are_a_volume_in_hounsfield_units(tmp_path):
    path = write_frames(
        tmp_path / "ct.dcm",
        stored(),
        EnhancedCTImageStorage,
        change=lambda dataset: enhance(dataset, orientation=TILTED),
    )
    stack = open_stack(path)
    assert (stack.axes, stack.dtype, stack.is_private) == ("zyx", np.int16, True)
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), hounsfield())
    np.testing.assert_array_equal(stack.array[-1, 3:9, ::2], hounsfield()[-1, 3:9, ::2])
    assert stack.array[2:2].shape == (0, 40, 50)
    np.testing.assert_allclose(stack.metadata.scale, (2.5, 0.7, 0.8), rtol=1e-4)
    assert stack.metadata.units == ("millimeter",) * 3
    assert "Roe" not in stack.origin
    assert str(tmp_path) not in stack.origin
    np.testing.assert_array_equal(open_stack(tmp_path).array[1], hounsfield()[1])


def test_only_the_frames_asked_for_are_decoded(tmp_path):
    path = write_frames(tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, change=enhance)
    stack = open_stack(path)
    path.write_bytes(path.read_bytes().replace(stored()[3].tobytes(), b"\0" * 4000))
    np.testing.assert_array_equal(stack.array[:3], hounsfield()[:3])
    assert (stack.array[3] == -1024).all()


def test_frames_are_sorted_along_the_normal_and_written_where_they_were(tmp_path):
    order = [2, 0, 3, 1]
    path = write_frames(
        tmp_path / "ct.dcm",
        stored()[order],
        EnhancedCTImageStorage,
        change=lambda dataset: enhance(dataset, places=[2.5 * i for i in order]),
    )
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), hounsfield())
    result = pydicom.dcmread(derive(stack, tmp_path / "out.dcm"))
    np.testing.assert_array_equal(result.pixel_array, stored()[order])


def test_every_frame_has_its_own_line(tmp_path):
    lines = [(1, 0), (0.5, -10), (2, 3), (0.25, 0)]
    path = write_frames(
        tmp_path / "mr.dcm",
        stored(),
        EnhancedMRImageStorage,
        change=lambda dataset: enhance(dataset, lines=lines),
    )
    stack = open_stack(path)
    assert stack.dtype == np.float32
    for i, (slope, intercept) in enumerate(lines):
        np.testing.assert_allclose(stack.array[i], stored()[i] * slope + intercept, rtol=1e-6)
    halved = stack.read(whole(stack.shape)) / 2
    writer = create_writer(tmp_path / "out.dcm", stack, stack.dtype)
    writer.write(whole(stack.shape), halved)
    result = open_stack(writer.finish())
    for i, (slope, _) in enumerate(lines):
        assert np.abs(result.array[i] - halved[i].clip(0 if i in (0, 3) else -10)).max() <= slope


def test_a_derived_file_keeps_its_groups_and_says_that_it_is_derived(tmp_path, tiny_file):
    def change(dataset):
        enhance(dataset)
        dataset.SmallestImagePixelValue = 7
        dataset["SmallestImagePixelValue"].VR = "US"
        dataset.add_new(0x00090010, "LO", "A PRIVATE CREATOR")
        dataset.add_new(0x00091001, "LO", "kept too")
        dataset.add_new(0xFFFCFFFC, "OB", b"\0\0")

    path = write_frames(tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, change=change)
    settings = DenoiseSettings(model=str(tiny_file), device="cpu", intensity="window")
    found = []
    denoise_to_file(open_stack(path), tmp_path / "out.dcm", settings, on_checked=found.append)
    assert sorted(file.name for file in tmp_path.glob("*.dcm")) == ["ct.dcm", "out.dcm"]
    source, result = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out.dcm")
    assert result.SOPClassUID == EnhancedCTImageStorage
    assert result.NumberOfFrames == 4
    assert result.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert result.SOPInstanceUID != source.SOPInstanceUID
    assert result.file_meta.MediaStorageSOPInstanceUID == result.SOPInstanceUID
    assert result.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert list(result.ImageType) == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    frame_type = result.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0].FrameType
    assert list(frame_type) == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert "model tiny" in result.DerivationDescription
    assert result.DerivationDescription.endswith(f"strength 1; {found[0].sentence}")
    assert "SmallestImagePixelValue" not in result
    assert (result.PatientName, result[0x0009, 0x1001].value) == (PATIENT, "kept too")
    assert 0xFFFCFFFC in result
    assert result.PerFrameFunctionalGroupsSequence == source.PerFrameFunctionalGroupsSequence
    values = open_stack(tmp_path / "out.dcm").array[:]
    expected = denoise(hounsfield(), tiny_file, device="cpu", intensity="window")
    np.testing.assert_array_equal(values, expected.clip(-1024, 3071))
    assert (values != hounsfield()).any()


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless],
    ids=lambda uid: uid.keyword,
)
def test_other_transfer_syntaxes(tmp_path, syntax):
    path = write_frames(
        tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, syntax=syntax, change=enhance
    )
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), hounsfield())
    np.testing.assert_array_equal(stack.array[2], hounsfield()[2])
    result = pydicom.dcmread(derive(stack, tmp_path / "out.dcm"))
    np.testing.assert_array_equal(result.pixel_array, stored())
    assert not result.file_meta.TransferSyntaxUID.is_compressed
    assert result.PatientName == PATIENT


def test_secondary_captures_have_the_spacing_of_their_header(tmp_path):
    def change(dataset):
        dataset.PixelSpacing = [0.3, 0.4]
        dataset.SpacingBetweenSlices = 5
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, -100

    path = write_frames(
        tmp_path / "sc.dcm",
        stored(),
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        change=change,
    )
    stack = open_stack(path)
    assert stack.axes == "zyx"
    assert stack.metadata.scale == (5, 0.3, 0.4)
    np.testing.assert_array_equal(stack.array[1], stored()[1].astype(int) * 2 - 100)
    result = pydicom.dcmread(derive(stack, tmp_path / "out.dcm"))
    np.testing.assert_array_equal(result.pixel_array, stored())
    assert list(result.ImageType[:2]) == ["DERIVED", "SECONDARY"]


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ({"FrameTime": 40, "FrameIncrementPointer": 0x00181063}, 0.04),
        ({"FrameTimeVector": [0, 20, 20], "FrameIncrementPointer": 0x00181065}, 0.02),
        ({"FrameTimeVector": [0, 20, 90], "FrameIncrementPointer": 0x00181065}, None),
    ],
)
def test_frames_of_a_film_are_steps_in_time(tmp_path, values, step):
    def change(dataset):
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    frames = (stored((3, 31, 33)) // 16).astype(np.uint8)
    path = write_frames(
        tmp_path / "us.dcm", frames, UltrasoundMultiFrameImageStorage, change=change
    )
    stack = open_stack(path)
    assert (stack.axes, stack.dtype) == ("tyx", np.uint8)
    assert stack.metadata.scale == (step or 1, 1, 1)
    assert stack.metadata.units == (step and "second", None, None)
    folder = derive(stack, tmp_path / "out")
    assert [file.name for file in folder.iterdir()] == ["0001.dcm"]
    np.testing.assert_array_equal(pydicom.dcmread(folder / "0001.dcm").pixel_array, frames)
    assert open_stack(folder).axes == "tyx"


def test_frames_that_turn_around_the_patient_are_no_film(tmp_path):
    def change(dataset):
        dataset.FrameTime = 40
        dataset.FrameIncrementPointer = 0x00181510

    path = write_frames(
        tmp_path / "xa.dcm", stored(), UltrasoundMultiFrameImageStorage, change=change
    )
    assert open_stack(path).axes == "zyx"


def test_padding_is_kept(tmp_path):
    def change(dataset):
        enhance(dataset)
        dataset.add_new("PixelPaddingValue", "US", 4000)

    values = stored()
    values[:, :3] = 4000
    path = write_frames(tmp_path / "ct.dcm", values, EnhancedCTImageStorage, change=change)
    stack = open_stack(path)
    writer = create_writer(tmp_path / "out.dcm", stack, stack.dtype)
    writer.write(whole(stack.shape), np.full(stack.shape, 5, stack.dtype))
    result = pydicom.dcmread(writer.finish()).pixel_array
    assert (result[:, :3] == 4000).all()
    assert (result[:, 3:] == 1029).all()


def test_frames_of_one_place_are_told_and_kept_in_order(tmp_path):
    def change(dataset):
        enhance(dataset, places=[0, 2.5, 0, 2.5])
        dataset.SpacingBetweenSlices = 2.5

    path = write_frames(tmp_path / "mr.dcm", stored(), EnhancedMRImageStorage, change=change)
    with pytest.warns(UserWarning, match=r"mr\.dcm are not one behind the other"):
        stack = open_stack(path)
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), hounsfield())
    assert stack.metadata.scale == (1, 0.7, 0.8)


def test_nifti_gets_the_place_in_the_patient(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    path = write_frames(tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, change=enhance)
    image = nibabel.load(derive(open_stack(path), tmp_path / "out.nii"))
    np.testing.assert_allclose(np.diag(image.affine), (-0.8, -0.7, 2.5, 1))
    np.testing.assert_array_equal(image.get_fdata().T, hounsfield())


def colour(dataset):
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"


def palette(dataset):
    dataset.PhotometricInterpretation = "PALETTE COLOR"


def dose(dataset):
    dataset.SOPClassUID = RTDoseStorage
    dataset.file_meta.MediaStorageSOPClassUID = RTDoseStorage


def too_few_groups(dataset):
    enhance(dataset)
    del dataset.PerFrameFunctionalGroupsSequence[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (colour, "in colour"),
        (palette, "in colour"),
        (dose, r"no picture.*\(RT Dose Storage\)"),
        (too_few_groups, "4 frames but describes 3"),
    ],
)
def test_what_is_not_read_is_one_sentence(tmp_path, change, message):
    path = write_frames(tmp_path / "a.dcm", stored(), EnhancedCTImageStorage, change=change)
    with pytest.raises(InputError, match=message) as error:
        open_stack(path)
    assert str(error.value).count(". ") == 0


def test_a_damaged_file_is_refused(tmp_path):
    path = write_frames(tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, change=enhance)
    stack = open_stack(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"pixels of ct\.dcm cannot be decoded"):
        stack.read(whole(stack.shape))


def test_a_file_of_frames_among_slices_is_refused(tmp_path):
    paths = write_series(tmp_path / "ct", hounsfield())
    frames = pydicom.dcmread(paths[0])
    frames.NumberOfFrames, frames.PixelData = 2, frames.PixelData * 2
    frames.save_as(tmp_path / "ct" / "both.dcm")
    with pytest.raises(InputError, match=r"both\.dcm holds 2 frames"):
        open_stack(paths[1])
    assert open_stack(tmp_path / "ct" / "both.dcm").shape == (2, 40, 50)


@pytest.mark.parametrize("name", ["out", "out.dcm"])
def test_more_pixels_than_a_file_can_hold_are_refused(tmp_path, monkeypatch, name):
    path = write_frames(tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, change=enhance)
    stack = open_stack(path)
    monkeypatch.setattr(dicom_frames_writer, "LARGEST_PIXEL_DATA", stored().nbytes - 1)
    with pytest.raises(InputError, match="more than the 4 GiB"):
        create_writer(tmp_path / name, stack, stack.dtype)
    assert [file.name for file in tmp_path.iterdir()] == ["ct.dcm"]


def test_an_aborted_file_leaves_nothing(tmp_path):
    path = write_frames(tmp_path / "ct.dcm", stored(), EnhancedCTImageStorage, change=enhance)
    stack = open_stack(path)
    writer = create_writer(tmp_path / "out.dcm", stack, stack.dtype)
    writer.write((slice(1, 2), *whole(stack.shape)[1:]), stack.array[1:2])
    np.testing.assert_array_equal(writer.array[1], hounsfield()[1])
    assert not writer.array[0].any()
    writer.abort()
    assert [file.name for file in tmp_path.iterdir()] == ["ct.dcm"]
