"""Writing derived multi-frame DICOM files, frame by frame."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.detect import is_dicom
from napari_clip_denoise.formats.flat import FlatArray
from napari_clip_denoise.formats.medical.dicom_file import (
    is_deflated,
    pydicom_read,
    read_frames,
    start_of_pixels,
)
from napari_clip_denoise.formats.medical.dicom_multiframe import Frames
from napari_clip_denoise.formats.medical.dicom_reader import find_series
from napari_clip_denoise.formats.medical.dicom_series import SliceArray
from napari_clip_denoise.formats.medical.dicom_writer import DicomWriter, is_padding, uncompress
from napari_clip_denoise.images.stack import Stack

LARGEST_PIXEL_DATA = 2**32 - 2
LARGE_ELEMENT = 2**16
EXTREMES = ("SmallestImagePixelValue", "LargestImagePixelValue")
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def check_dicom(path: Path, stack: Stack, dtype: np.dtype) -> None:
    """Raise an `InputError` unless the source of a result is DICOM, too."""
    if stack.path is None or not is_dicom(stack.path):
        given = f"{path.name} is DICOM" if path.suffix else f"{path.name} has no ending"
        raise InputError(
            f"The output {given}, and DICOM can only be derived from DICOM; let it end in "
            ".ome.zarr, .tif or .nii.gz."
        )


def create_dicom_writer(
    path: Path,
    stack: Stack,
    dtype: np.dtype,
    *,
    overwrite: bool,
    attributes: dict[str, Any],
) -> DicomWriter:
    """Create a writer of a series or of a multi-frame file, whichever the source is.

    Parameters
    ----------
    path, stack, dtype, overwrite, attributes :
        See `DicomWriter`.
    """
    assert stack.path is not None
    series = find_series(stack.path)
    kind = DicomFramesWriter if isinstance(series, Frames) else DicomWriter
    return kind(path, stack, series, dtype, overwrite=overwrite, attributes=attributes)


class DicomFramesWriter(DicomWriter):
    """Writes a derived multi-frame file, as ``.dcm`` or as the only file of a folder.

    Parameters
    ----------
    path, stack, series, dtype, overwrite, attributes :
        See `DicomWriter`.
    """

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store finished planes."""
        numbers = range(*index[0].indices(self.stack.shape[0]))
        parts = [self._series.slices[number] for number in numbers]
        frames = [part.frame for part in parts]
        raw = read_frames(parts[0].path, frames) if self._padding else iter(())
        for number, part, plane in zip(numbers, parts, block, strict=True):
            stored = part.rescale.to_stored(plane)
            if self._padding:
                before = next(raw)
                stored = np.where(is_padding(self._padding, before), before, stored)
            self._put(part.frame, stored)
            self.array.is_written[number] = True

    def _begin(self, dtype: np.dtype) -> SliceArray:
        parts = self._series.slices
        kept = parts[0].rescale.dtype
        shape = (len(parts), *self._series.plane_shape)
        n_bytes = int(np.prod(shape, dtype=np.int64)) * kept.itemsize
        if n_bytes > LARGEST_PIXEL_DATA:
            self.abort()
            raise InputError(
                f"{self.path.name} would hold more than the 4 GiB of uncompressed pixels that a "
                "DICOM file can; write .ome.zarr."
            )
        source = parts[0].path
        lazily = {} if is_deflated(source) else {"defer_size": LARGE_ELEMENT}
        dataset = pydicom_read(source, **lazily)
        ordered = uncompress(dataset, kept)
        for keyword in EXTREMES:
            if keyword in dataset:
                delattr(dataset, keyword)
        self._derive(dataset)
        zeros = io.BufferedReader(_Zeros(n_bytes + n_bytes % 2))
        dataset.add_new("PixelData", "OB" if kept.itemsize == 1 else "OW", zeros)
        target = self._target(0)
        try:
            dataset.save_as(target, enforce_file_format=True)
            self._stored: Any = FlatArray(target, ordered, shape, start_of_pixels(target))
        except OSError as error:
            self.abort()
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error
        self._padding = parts[0].padding
        return _WrittenFrames(self._stored, self._series, dtype)

    def _target(self, number: int) -> Path:
        return super()._target(0)

    def _derive(self, dataset: Any) -> None:
        """Turn a dataset into that of a new image, and mark its frames as derived, too."""
        kind = [*dataset.get("ImageType", [])]
        super()._derive(dataset)
        items = [item for keyword in GROUPS for item in dataset.get(keyword) or []]
        if items and len(kind) > 1:
            dataset.ImageType = ["DERIVED", *kind[1:]]
        for item in items:
            for element in item:
                for frame in element.value if element.VR == "SQ" else ():
                    if "FrameType" in frame:
                        frame.FrameType = ["DERIVED", *frame.FrameType[1:]]

    def _put(self, frame: int, plane: np.ndarray) -> None:
        rows, columns = (slice(0, size) for size in plane.shape)
        self._stored.write((slice(frame, frame + 1), rows, columns), plane[np.newaxis])

    def _close(self) -> None:
        if self.array is not None:
            self._stored.close()
            self._discard()
        super()._close()

    def _discard(self) -> None:
        if getattr(self, "_stored", None) is not None:
            self._stored.discard()
        self.array = self._stored = None


class _WrittenFrames(SliceArray):
    """The frames written so far; 0 elsewhere."""

    def __init__(self, stored: FlatArray, series: Any, dtype: np.dtype):
        super().__init__(series.slices, series.plane_shape, dtype)
        self._stored = stored
        self.is_written = np.zeros(len(series.slices), bool)

    def _planes(self, numbers: range) -> Iterator[np.ndarray]:
        for number in numbers:
            part = self._slices[number]
            if self.is_written[number]:
                native = self._stored[part.frame].astype(part.rescale.dtype)
                yield self._values(native, part)
            else:
                yield np.zeros(self.shape[1:], self.dtype)


class _Zeros(io.RawIOBase):
    """A stream of `size` zero bytes that takes no memory."""

    def __init__(self, size: int):
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence, self._size)
        return self._place

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._place))
        buffer[:count] = bytes(count)
        self._place += count
        return count
