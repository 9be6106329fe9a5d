"""DICOM series and NIfTI volumes of a patient who does not exist."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless, generate_uid

PATIENT = "Roe^Jane"
PATIENT_ID = "ID-90210"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
TILTED = (1, 0, 0, 0, 0.8, -0.6)
AXIAL = (1, 0, 0, 0, 1, 0)


def hounsfield(shape=(4, 40, 50), seed=0):
    """Noisy CT-like values: air around a body with a bone in it, int16."""
    generator = np.random.default_rng(seed)
    values = np.full(shape, -1000.0)
    values[:, 5:-5, 5:-5] = 40
    values[:, 15:22, 20:30] = 900
    noisy = values + generator.normal(0, 30, shape)
    return np.rint(noisy).clip(-1024, 3071).astype(np.int16)


def write_series(
    folder: Path,
    values: np.ndarray,
    *,
    slope=1.0,
    intercept=-1024.0,
    orientation=AXIAL,
    positions=None,
    spacing=(0.7, 0.8),
    step=2.5,
    syntax=ExplicitVRLittleEndian,
    change=lambda dataset, number: None,
):
    """Write a CT series whose files are named against the order of its slices.

    Returns
    -------
    list of Path
        In the order of the slices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid, study_uid, frame_uid = (generate_uid(prefix=None) for _ in range(3))
    normal = np.cross(orientation[:3], orientation[3:])
    paths = []
    for number, plane in enumerate(values):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = syntax
        meta.MediaStorageSOPClassUID = CT_IMAGE_STORAGE
        meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
        dataset = Dataset()
        dataset.file_meta = meta
        dataset.PatientName = PATIENT
        dataset.PatientID = PATIENT_ID
        dataset.StudyInstanceUID = study_uid
        dataset.SeriesInstanceUID = series_uid
        dataset.SOPClassUID = CT_IMAGE_STORAGE
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.FrameOfReferenceUID = frame_uid
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Modality = "CT"
        dataset.SeriesDescription = "Abdomen"
        dataset.SeriesNumber = 3
        dataset.InstanceNumber = number + 1
        along = positions[number] if positions is not None else number * step
        place = np.array([-120.0, -90.0, 30.0]) + normal * along
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in place]
        dataset.ImageOrientationPatient = list(orientation)
        dataset.PixelSpacing = list(spacing)
        dataset.SliceThickness = step
        dataset.WindowCenter, dataset.WindowWidth = 40, 400
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.RescaleType = "HU"
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        dataset.add_new(0x00091001, "LO", "kept too")
        dataset.add_new(0x00090010, "LO", "A PRIVATE CREATOR")
        stored = np.rint((plane - intercept) / slope).clip(0, 4095).astype("<u2")
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OW"
        change(dataset, number)
        path = folder / f"IM{900 - number:04d}"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_frames(
    path: Path,
    stored: np.ndarray,
    storage_class: str,
    *,
    syntax=ExplicitVRLittleEndian,
    change=lambda dataset: None,
):
    """Write a file of many frames.

    Returns
    -------
    Path
        The file.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    meta.MediaStorageSOPClassUID = storage_class
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.PatientName, dataset.PatientID = PATIENT, PATIENT_ID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        generate_uid(prefix=None) for _ in range(2)
    )
    dataset.SOPClassUID = storage_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.Modality = "OT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stored.shape
    bits = 8 * stored.dtype.itemsize
    dataset.BitsAllocated = bits
    dataset.BitsStored = min(bits, 12)
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    is_big = syntax == ExplicitVRBigEndian
    data = stored.astype(stored.dtype.newbyteorder(">" if is_big else "<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    change(dataset)
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return path


def read_values(path: Path):
    """Tags and values of a DICOM file, by pydicom's own means."""
    dataset = pydicom.dcmread(path)
    return dataset, pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset)
