"""Writing NIfTI files, with the header of a NIfTI source or the geometry of any other."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.base import PartialFile
from napari_clip_denoise.formats.detect import NIFTI_SUFFIXES, is_dicom
from napari_clip_denoise.formats.flat import FlatArray
from napari_clip_denoise.formats.medical.nifti import (
    ORDER,
    StoredArray,
    open_nifti,
    rescale_of_image,
)
from napari_clip_denoise.formats.medical.rescale import Rescale
from napari_clip_denoise.formats.publish import new_token, remove, unfinished_name
from napari_clip_denoise.images.stack import Stack, as_dask
from napari_clip_denoise.optional import from_extra

with from_extra("medical", "NIfTI files"):
    import nibabel
    from nibabel.spatialimages import HeaderDataError

UNITS = {
    "meter": ("meter", 1.0),
    "centimeter": ("mm", 10.0),
    "millimeter": ("mm", 1.0),
    "micrometer": ("micron", 1.0),
    "nanometer": ("micron", 1e-3),
    "angstrom": ("micron", 1e-4),
    "second": ("sec", 1.0),
    "millisecond": ("msec", 1.0),
    "microsecond": ("usec", 1.0),
}
"""For each unit, the NIfTI unit to write and the factor to convert to it."""
LARGEST_SIDE_OF_NIFTI1 = 2**15 - 1
DESCRIPTION_BYTES = 79
NOTE = "denoised: napari-clip-denoise"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Converts DICOM's axes (left, posterior) to NIfTI's (right, anterior)."""
SCANNER, ALIGNED, UNKNOWN = 1, 2, 0
ORTHOGONAL = 1e-4


def check_nifti(path: Path, stack: Stack, dtype: np.dtype) -> None:
    """Raise an `InputError` if NIfTI does not support the axes, the type or uneven slices."""
    if not set(stack.axes) <= set(ORDER):
        raise InputError(
            f"NIfTI cannot hold the axes {stack.axes}; it has c, t, z, y and x, so name them "
            "so or write .ome.zarr or .tif."
        )
    _header(stack, dtype)


class NiftiWriter(PartialFile):
    """Writes a NIfTI file, with the header of the source if that is NIfTI, too.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`. The position in the patient is also kept from a DICOM series.
    dtype : numpy.dtype
        Type of the values. If it is that of a NIfTI source, its rescaling is kept, too.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """

    _stored: FlatArray | None = None

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        self._order = "".join(axis for axis in ORDER if axis in stack.axes)
        header, self._rescale = _header(stack, dtype)
        super().__init__(path, stack, overwrite=overwrite)
        self._is_compressed = path.suffix.lower() == ".gz"
        self._plain = unfinished_name(path, new_token()) if self._is_compressed else self.partial
        try:
            self._stored = self._allocate(header)
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        back = [self._order.index(axis) for axis in stack.axes]
        written = as_dask(self._stored, "auto").transpose(back)
        self.array: Any = StoredArray(written, self._rescale, dtype)

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        assert self._stored is not None
        order = [self.stack.axes.index(axis) for axis in self._order]
        stored = self._rescale.to_stored(block).transpose(order)
        self._stored.write(tuple(index[i] for i in order), stored)

    def abort(self) -> None:
        """Remove everything written so far; an existing output is left untouched."""
        super().abort()
        remove(self._plain)

    def _allocate(self, header: Any) -> FlatArray:
        """Write the header and reserve the room of the pixels, in NIfTI's axis order."""
        with self._plain.open("wb") as file:
            header.write_to(file)
            offset = int(header.get_data_offset())
            file.truncate(offset)
        sizes = dict(zip(self.stack.axes, self.stack.shape, strict=True))
        shape = tuple(sizes[axis] for axis in self._order)
        return FlatArray(self._plain, self._rescale.dtype.newbyteorder("<"), shape, offset)

    def _close(self) -> None:
        if self._stored is None:
            return
        self._stored.close()
        self._discard()
        if self._is_compressed:
            with (
                self._plain.open("rb") as plain,
                self.partial.open("wb") as file,
                gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            ):
                shutil.copyfileobj(plain, packed)
            remove(self._plain)

    def _discard(self) -> None:
        if self._stored is not None:
            self._stored.discard()
        self.array = self._stored = None


def _source_image(stack: Stack) -> Any:
    """Return the NIfTI image a stack was opened from; None if its axes were changed."""
    if stack.path is None or not stack.path.name.lower().endswith(NIFTI_SUFFIXES):
        return None
    image = open_nifti(stack.path)
    is_same = image.shape[::-1] == stack.shape and stack.axes == ORDER[-stack.ndim :]
    return image if is_same else None


def _new_header(stack: Stack) -> Any:
    """Make a header for a stack from another format: shape, voxel size and position."""
    is_large = max(stack.shape) > LARGEST_SIDE_OF_NIFTI1
    header = nibabel.Nifti2Header() if is_large else nibabel.Nifti1Header()
    sizes = dict(zip(stack.axes, stack.shape, strict=True))
    places = "xyztc"
    used = 1 + max(places.index(axis) for axis in stack.axes)
    header.set_data_shape([sizes.get(axis, 1) for axis in places[:used]])
    header["pixdim"][1 : used + 1] = 1
    affine, code, unit = _affine(stack)
    header.set_sform(affine, code)
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    is_orthogonal = np.allclose(columns.T @ columns, np.eye(3), atol=ORTHOGONAL)
    header.set_qform(affine, code if is_orthogonal else UNKNOWN)
    time_unit = None
    if "t" in stack.axes:
        where = stack.axes.index("t")
        time_unit, factor = UNITS.get(stack.metadata.units[where] or "", (None, 1.0))
        header["pixdim"][4] = factor * stack.metadata.scale[where]
        header["toffset"] = factor * stack.metadata.translation[where]
    header.set_xyzt_units(unit, time_unit)
    return header


def _affine(stack: Stack) -> tuple[np.ndarray, int, str | None]:
    """Return the affine from voxels (x, y, z) to patient or image coordinates, code and unit."""
    if stack.path is not None and is_dicom(stack.path):
        from napari_clip_denoise.formats.medical.dicom_reader import find_series

        series = find_series(stack.path)
        if not series.is_even:
            raise InputError(
                "The slices of the series are not evenly spaced, which NIfTI cannot hold; write "
                "a DICOM series or .ome.zarr."
            )
        if series.affine is not None:
            return LPS_TO_RAS @ series.affine, SCANNER, "mm"
    entries = zip(stack.metadata.scale, stack.metadata.translation, strict=True)
    known = dict(zip(stack.axes, entries, strict=True))
    unit, factor = UNITS.get(stack.metadata.units[stack.axes.index("x")] or "", (None, 1.0))
    affine = np.eye(4)
    for i, axis in enumerate("xyz"):
        affine[i, i], affine[i, 3] = factor * np.array(known.get(axis, (1.0, 0.0)))
    return affine, ALIGNED, unit


def _header(stack: Stack, dtype: np.dtype) -> tuple[Any, Rescale]:
    """Return the header of a result, and how its values are stored."""
    source = _source_image(stack)
    is_kept = source is not None and dtype == stack.dtype
    rescale = rescale_of_image(source) if is_kept else Rescale.of_type(dtype)
    header = _new_header(stack) if source is None else source.header.as_byteswapped("<")
    _describe(header, rescale)
    return header, rescale


def _describe(header: Any, rescale: Rescale) -> None:
    """Record in a header how pixels are stored, and that they were denoised."""
    try:
        header.set_data_dtype(rescale.dtype)
    except HeaderDataError as error:
        raise InputError(
            f"NIfTI cannot hold pixels of type {rescale.dtype}; ask for float32."
        ) from error
    header.set_slope_inter(rescale.slope, rescale.intercept)
    before = header["descrip"].item().decode("latin-1").rstrip("\0 ")
    described = f"{before}; {NOTE}" if before else NOTE
    if len(described) <= DESCRIPTION_BYTES:
        header["descrip"] = described.encode("latin-1")
