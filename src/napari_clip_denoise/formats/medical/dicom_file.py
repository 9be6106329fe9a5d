"""Reading and checking single DICOM files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import DICOM_PREAMBLE, DICOM_START, looks_like_dicom
from napari_clip_denoise.formats.reading import check_fits_file, file_errors
from napari_clip_denoise.optional import from_extra

with from_extra("medical", "DICOM files"):
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels import get_decoder, iter_pixels
    from pydicom.uid import (
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        JPEGExtended12Bit,
        RTDoseStorage,
        SegmentationStorage,
    )

LOW_IS_WHITE = "MONOCHROME1"
GREY = (LOW_IS_WHITE, "MONOCHROME2")
NO_PICTURES = (RTDoseStorage, SegmentationStorage)
MOST_FRAMES = 2**20
DAMAGED = "the file may be damaged."
PACKAGES = "python-gdcm"
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
    "PhotometricInterpretation",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
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
    with file_errors(f"The DICOM file {path.name} cannot be read; it may be damaged."):
        try:
            dataset = pydicom.dcmread(path, force=looks_like_dicom(path), **options)
        except InvalidDicomError as error:
            raise InputError(f"{path.name} is not a DICOM file; give one that is.") from error
        _complete_meta(dataset)
    return dataset


def _complete_meta(dataset: Any) -> None:
    """Add the transfer syntax to a file without the preamble that would give it."""
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    is_implicit, is_little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit


def read_pixels(dataset: Any, path: Path) -> np.ndarray:
    """Decode the pixels of a dataset, as stored numbers without rescaling.

    Raises
    ------
    InputError
        If they cannot be decoded.
    """
    with file_errors(f"The pixels of {path.name} cannot be decoded; {DAMAGED}"):
        return dataset.pixel_array


def has_preamble(path: Path) -> bool:
    """Return whether a file has the preamble of DICOM files."""
    with path.open("rb") as file:
        return file.read(DICOM_PREAMBLE + len(DICOM_START))[DICOM_PREAMBLE:] == DICOM_START


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
    whole = not has_preamble(path) or is_deflated(path)
    source = pydicom_read(path) if whole else path
    with file_errors(f"The pixels of {path.name} cannot be decoded; {DAMAGED}"):
        yield from iter_pixels(source, indices=frames)


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
    """Return the number of frames in a file.

    Raises
    ------
    InputError
        If it is not plausible.
    """
    number = header.get("NumberOfFrames") or 1
    try:
        count = int(number)
    except (TypeError, ValueError) as error:
        raise InputError(f"The number of frames {number} is wrong; {DAMAGED}") from error
    if not 0 < count <= MOST_FRAMES:
        raise InputError(
            f"The file claims {count} frames, and {MOST_FRAMES} are the most that are read; "
            f"{DAMAGED}"
        )
    return count


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
    if header.get("SOPClassUID") in NO_PICTURES:
        raise InputError(
            f"{path.name} holds no picture ({header.SOPClassUID.name}); give the images that it "
            "belongs to."
        )
    is_grey = header.get("PhotometricInterpretation", GREY[0]) in GREY
    if int(header.get("SamplesPerPixel", 1)) != 1 or not is_grey:
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
        decoder = get_decoder(syntax)
        is_known = decoder.is_available
    except NotImplementedError:
        is_known = False
    if is_known and syntax == JPEGExtended12Bit and int(header.BitsStored) > 8:
        is_known = tuple(decoder.available_plugins) != ("pillow",)
    if not is_known:
        raise InputError(
            f"The pixels of {path.name} are compressed ({syntax.name}), for which no decoder is "
            f"installed; run: pip install {PACKAGES}."
        )


def check_size(header: Any, path: Path) -> None:
    """Check that a file can hold the pixels that its header claims.

    Raises
    ------
    InputError
        If it cannot.
    """
    shape = (count_frames(header), int(header.Rows), int(header.Columns))
    if min(shape) < 1:
        raise InputError(f"{path.name} holds no pixels; {DAMAGED}")
    syntax = header.file_meta.TransferSyntaxUID
    packed = bool(syntax.is_compressed or syntax.is_deflated)
    check_fits_file(path, shape, int(header.BitsAllocated) // 8, compressed=packed)


def is_low_white(header: Any) -> bool:
    """Return whether low values are shown white, such as bone in a radiograph."""
    return bool(header.get("PhotometricInterpretation") == LOW_IS_WHITE)


def padding_of(header: Any) -> tuple[int, int] | None:
    """Return the lowest and highest stored number of padding, outside the field of view.

    Scanners store the padding of signed pixels as unsigned, too, and the other way round; of both,
    only the bits count that a pixel has.
    """
    if header.get("PixelPaddingValue") is None:
        return None
    bits, is_signed = int(header.BitsStored), bool(header.get("PixelRepresentation", 0))
    ends = [header.PixelPaddingValue, header.get("PixelPaddingRangeLimit")]
    stored = [_as_stored(end, bits, is_signed) for end in ends if end is not None]
    return min(stored), max(stored)


def _as_stored(value: Any, bits: int, is_signed: bool) -> int:
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    number %= 2**bits
    return number - 2**bits if is_signed and number >= 2 ** (bits - 1) else number
