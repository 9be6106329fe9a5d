"""Reading and checking single DICOM files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.optional import from_extra

with from_extra("medical", "DICOM files"):
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels import get_decoder, iter_pixels

PIXEL_ERRORS = (AttributeError, ValueError, RuntimeError, OSError, NotImplementedError)
DAMAGED = "the file may be damaged."
HEADER = (
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "ImagerPixelSpacing",
    "InstanceNumber",
    "Modality",
    "ModalityLUTSequence",
    "NumberOfFrames",
    "PixelRepresentation",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    "SeriesInstanceUID",
    "SliceThickness",
    "SOPClassUID",
)


def pydicom_read(path: Path, **options: Any) -> Any:
    """Read a DICOM file; `options` are those of `pydicom.dcmread`.

    Raises
    ------
    InputError
        If it is not a DICOM file or cannot be read.
    """
    try:
        return pydicom.dcmread(path, **options)
    except InvalidDicomError as error:
        raise InputError(f"{path.name} is not a DICOM file; give one that is.") from error
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"The DICOM file {path.name} cannot be read; it may be damaged."
        ) from error


def read_pixels(dataset: Any, path: Path) -> np.ndarray:
    """Decode the pixels of a dataset, as stored numbers without rescaling.

    Raises
    ------
    InputError
        If they cannot be decoded.
    """
    try:
        return dataset.pixel_array
    except PIXEL_ERRORS as error:
        raise InputError(f"The pixels of {path.name} cannot be decoded; {DAMAGED}") from error


def is_deflated(path: Path) -> bool:
    """Return whether a file is deflated, so that all of it must be decompressed to read any."""
    header = pydicom_read(path, stop_before_pixels=True, specific_tags=[])
    return bool(header.file_meta.TransferSyntaxUID.is_deflated)


def read_frames(path: Path, frames: Sequence[int]) -> Iterator[np.ndarray]:
    """Decode frames of a file one by one, as stored numbers without rescaling.

    Parameters
    ----------
    path : Path
        The file.
    frames : sequence of int
        Numbers of the frames, from 0.

    Yields
    ------
    numpy.ndarray
        (Y, X), one for each of `frames`.

    Raises
    ------
    InputError
        If they cannot be decoded.
    """
    if not frames:
        return
    source = pydicom_read(path) if is_deflated(path) else path
    try:
        yield from iter_pixels(source, indices=frames)
    except PIXEL_ERRORS as error:
        raise InputError(f"The pixels of {path.name} cannot be decoded; {DAMAGED}") from error


def start_of_pixels(path: Path) -> int:
    """Return the offset of the pixels of an uncompressed file, in bytes."""
    with path.open("rb") as file:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[])
        is_implicit = header.file_meta.TransferSyntaxUID.is_implicit_VR
        return file.tell() + (8 if is_implicit else 12)


def read_header(path: Path) -> Any:
    """Read the tags that `formats.medical.dicom_reader` needs, without the pixels."""
    return pydicom_read(path, stop_before_pixels=True, specific_tags=list(HEADER))


def count_frames(header: Any) -> int:
    """Return the number of frames in a file."""
    return int(header.get("NumberOfFrames") or 1)


def check_single_frame(header: Any, path: Path) -> None:
    """Check that a file of a series has a single frame.

    Raises
    ------
    InputError
        If it has several frames.
    """
    if count_frames(header) > 1:
        raise InputError(
            f"{path.name} holds {header.NumberOfFrames} frames, which are a stack of their own; "
            "give that file, or move it to another folder."
        )


def check_image(header: Any, path: Path) -> None:
    """Check that a file contains a grey image that can be decoded.

    Raises
    ------
    InputError
        If it does not; the message says what to do instead.
    """
    if "Rows" not in header or "SeriesInstanceUID" not in header:
        kind = pydicom.uid.UID(header.get("SOPClassUID", "")).name or "no image"
        raise InputError(f"{path.name} holds no image ({kind}); give an image of the series.")
    if int(header.get("SamplesPerPixel", 1)) != 1:
        raise InputError(
            f"{path.name} is in colour, which is not read from DICOM; give a series of grey images."
        )
    if "ModalityLUTSequence" in header:
        raise InputError(
            f"The values of {path.name} are defined by a look-up table, which is not supported; "
            "give a series with RescaleSlope and RescaleIntercept."
        )
    if int(header.get("BitsAllocated", 0)) not in (8, 16, 32) or "BitsStored" not in header:
        raise InputError(
            f"{path.name} does not hold pixels of 8, 16 or 32 bits; give a series that does."
        )
    syntax = header.file_meta.TransferSyntaxUID
    try:
        is_known = get_decoder(syntax).is_available
    except NotImplementedError:
        is_known = False
    if not is_known:
        raise InputError(
            f"The pixels of {path.name} are compressed ({syntax.name}), for which no decoder is "
            "installed; run: pip install python-gdcm."
        )
