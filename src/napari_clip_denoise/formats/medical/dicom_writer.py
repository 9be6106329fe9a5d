"""Writing derived DICOM series: the source's files with new pixels and a derivation note."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.base import Check, PartialFile
from napari_clip_denoise.formats.detect import DICOM_SUFFIXES
from napari_clip_denoise.formats.medical.dicom_file import pydicom_read, read_pixels
from napari_clip_denoise.formats.medical.dicom_note import NOTE, add_to_note, note
from napari_clip_denoise.formats.medical.dicom_series import Series, SliceArray
from napari_clip_denoise.formats.publish import SOFTWARE
from napari_clip_denoise.formatting import software
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.optional import from_extra

with from_extra("medical", "DICOM files"):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence
    from pydicom.sr.codedict import codes
    from pydicom.uid import (
        JPEG2000,
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        JPEGBaseline8Bit,
        JPEGExtended12Bit,
        JPEGLSNearLossless,
        generate_uid,
    )

KEPT_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
LOSSY_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000)
NO_LONGER_TRUE = (
    "DigitalSignaturesSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "MACParametersSequence",
)
LONG_STRING = 64


class DicomWriter(PartialFile):
    """Writes a derived series: a folder with a file for each slice, or a single ``.dcm`` file.

    All tags of the source are kept, except those that describe the pixels or identify the result
    as a new, derived image.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    series : Series
        The series that the stack was opened from.
    dtype : numpy.dtype
        Type of the values. They are stored with the type, slope and intercept of the source,
        rounded to the nearest step.
    attributes : dict
        How the result was made, for the derivation note.

    Raises
    ------
    InputError
        If the series has changed, or a single file is given for several slices.
    OutputError
        If the path cannot be written.
    """

    def __init__(
        self,
        path: Path,
        stack: Stack,
        series: Series,
        dtype: np.dtype,
        *,
        overwrite: bool,
        attributes: dict[str, Any],
    ):
        self._series = series
        self._is_file = path.suffix.lower() in DICOM_SUFFIXES
        if self._series.shape != stack.shape:
            raise InputError("The DICOM series has changed since it was opened; open it again.")
        n_files = len({part.path for part in self._series.slices})
        if self._is_file and n_files > 1:
            raise InputError(
                f"{path.name} holds one image, but the series has {n_files}; "
                f"name a folder, such as {path.stem}."
            )
        super().__init__(path, stack, overwrite=overwrite)
        if not self._is_file:
            self.partial.mkdir()
        self._attributes = attributes
        self._verdict = ""
        self._software = software()
        self._series_uid = generate_uid(prefix=None)
        self._time = datetime.now().astimezone()
        self.array: Any = self._begin(dtype)

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store finished planes."""
        for number, plane in zip(range(*index[0].indices(self.stack.shape[0])), block, strict=True):
            part = self._series.slices[number]
            dataset = pydicom_read(part.path)
            stored = part.rescale.to_stored(plane)
            if part.padding is not None:
                raw = read_pixels(dataset, part.path)
                stored = np.where(is_padding(part.padding, raw), raw, stored)
            _replace_pixels(dataset, stored)
            self._derive(dataset)
            dataset.save_as(self._target(number), enforce_file_format=True)

    def finish(self, check: Check | None = None) -> Path:
        """Close the output, move it to its final path and return that; see `Writer`."""
        return super().finish(None if check is None else lambda: self._keep(check()))

    def _keep(self, checked: dict[str, Any]) -> dict[str, Any]:
        self._verdict = checked.get("check", {}).get("verdict", "")
        return checked

    def _close(self) -> None:
        """Add the verdict of the check to the note in each file."""
        for path in {self._target(number) for number in range(len(self._series.slices))}:
            if self._verdict:
                add_to_note(path, self._verdict)

    def _begin(self, dtype: np.dtype) -> SliceArray:
        """Prepare for writing; return an array of the planes written so far."""
        parts = [replace(part, path=self._target(i)) for i, part in enumerate(self._series.slices)]
        return _Written(parts, self._series.plane_shape, dtype)

    def _target(self, number: int) -> Path:
        return self.partial if self._is_file else self.partial / f"{number + 1:04d}.dcm"

    def _derive(self, dataset: Any) -> None:
        """Turn a dataset into that of a new image, and record its source and derivation."""
        source = Dataset()
        source.ReferencedSOPClassUID = dataset.SOPClassUID
        source.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        source.PurposeOfReferenceCodeSequence = _code(
            codes.DCM.SourceImageForImageProcessingOperation
        )
        equipment = Dataset()
        equipment.PurposeOfReferenceCodeSequence = _code(codes.DCM.ModifyingEquipment)
        equipment.Manufacturer = SOFTWARE
        equipment.ManufacturerModelName = SOFTWARE
        equipment.SoftwareVersions = self._software
        equipment.ContributionDateTime = self._time.strftime("%Y%m%d%H%M%S.%f%z")
        equipment.ContributionDescription = "Denoising"

        kind = [*dataset.get("ImageType", [])]
        dataset.ImageType = ["DERIVED", "SECONDARY", *kind[2:]]
        dataset.DerivationDescription = note(dataset.get(NOTE, ""), self._attributes)
        dataset.SourceImageSequence = Sequence([source])
        others = dataset.get("ContributingEquipmentSequence", [])
        dataset.ContributingEquipmentSequence = Sequence([*others, equipment])
        description = str(dataset.get("SeriesDescription", ""))
        ending = " denoised"
        dataset.SeriesDescription = (description[: LONG_STRING - len(ending)] + ending).strip()
        dataset.SeriesInstanceUID = self._series_uid
        dataset.SOPInstanceUID = generate_uid(prefix=None)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceCreationDate = self._time.strftime("%Y%m%d")
        dataset.InstanceCreationTime = self._time.strftime("%H%M%S.%f")


class _Written(SliceArray):
    """The slices written so far; 0 elsewhere."""

    def _planes(self, numbers: range) -> Iterator[np.ndarray]:
        for number in numbers:
            if self._slices[number].path.exists():
                yield from super()._planes(range(number, number + 1))
            else:
                yield np.zeros(self.shape[1:], self.dtype)


def _replace_pixels(dataset: Any, stored: np.ndarray) -> None:
    """Put uncompressed pixels into a dataset, and update the tags that describe them."""
    ordered = uncompress(dataset, stored.dtype)
    for keyword, value in (
        ("SmallestImagePixelValue", stored.min()),
        ("LargestImagePixelValue", stored.max()),
    ):
        if keyword in dataset:
            setattr(dataset, keyword, int(value))
    data = stored.astype(ordered, copy=False).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if stored.dtype.itemsize == 1 else "OW"
    dataset["PixelData"].is_undefined_length = False


def uncompress(dataset: Any, dtype: np.dtype) -> np.dtype:
    """Update the tags of a dataset for uncompressed pixels.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Modified in place.
    dtype : numpy.dtype
        Type of the pixels.

    Returns
    -------
    numpy.dtype
        `dtype` in the byte order of the file.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in LOSSY_SYNTAXES:
        dataset.LossyImageCompression = "01"
    if syntax not in KEPT_SYNTAXES:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in NO_LONGER_TRUE:
        if keyword in dataset:
            delattr(dataset, keyword)
    is_little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    return dtype.newbyteorder("<" if is_little else ">")


def is_padding(padding: tuple[int, int], stored: np.ndarray) -> np.ndarray:
    """Return a mask of padding: pixels outside the scanner's field of view."""
    return (stored >= padding[0]) & (stored <= padding[1])


def _code(code: Any) -> Sequence:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return Sequence([item])
