"""Series of DICOM images, sorted by their position in the patient."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.medical.dicom_file import pydicom_read, read_pixels
from napari_clip_denoise.formats.medical.geometry import volume_metadata
from napari_clip_denoise.formats.medical.rescale import Rescale
from napari_clip_denoise.images.lazy import LazyArray, parts_of
from napari_clip_denoise.images.stack import Metadata

PARALLEL = 1e-3
SAME_PLACE = 1e-3
EVEN_STEPS = 0.02
DIGEST_LETTERS = 8
LOWEST_HOUNSFIELD = -1500.0
"""Below this, no tissue and no noise of air is found, only what scanners put around the image."""


@dataclass(frozen=True, eq=False)
class Slice:
    """An image of a series: a single-frame file, or a frame of a multi-frame file.

    Attributes
    ----------
    path : Path
        The file.
    rescale : Rescale
        Conversion between stored pixels and values.
    position : numpy.ndarray or None
        Position (3,) of the first pixel in the patient, in millimetres; None if unknown.
    frame : int
        Frame number within the file, from 0.
    padding : (int, int) or None
        Lowest and highest stored number of pixels outside the field of view.
    """

    path: Path
    rescale: Rescale
    position: np.ndarray | None
    frame: int = 0
    padding: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """The images with one SeriesInstanceUID in a folder, or the frames of a file, in order.

    Attributes
    ----------
    name : str
        Modality and a digest of the series' identifier; contains no patient data.
    slices : tuple of Slice
        Sorted along the normal of the planes, or by instance number if positions are unknown.
    plane_shape : (int, int)
        Rows and columns of every slice.
    spacing : (float, float) or None
        Distance between rows and between columns, in millimetres.
    directions : numpy.ndarray or None
        (2, 3), unit vectors along x and y of the plane in patient coordinates.
    thickness : float
        Slice thickness in millimetres, used as the step of a single slice.
    axes : str
        One letter per dimension.
    is_ct : bool
        Whether the values are Hounsfield units.
    low_is_white : bool
        Whether low values are shown white (MONOCHROME1).
    """

    name: str
    slices: tuple[Slice, ...]
    plane_shape: tuple[int, int]
    spacing: tuple[float, float] | None
    directions: np.ndarray | None
    thickness: float
    axes: str = "zyx"
    is_ct: bool = False
    low_is_white: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Common type of the values of all slices."""
        return np.result_type(*{part.rescale.value_dtype for part in self.slices})

    @property
    def padding(self) -> tuple[float, float] | None:
        """Lowest and highest value of padding; None if there is none that all slices share."""
        found = {self._padding_values(part) for part in self.slices}
        shared = found.pop() if len(found) == 1 else None
        if shared is None and self.is_ct:
            return (-np.inf, LOWEST_HOUNSFIELD)
        return shared

    def _padding_values(self, part: Slice) -> tuple[float, float] | None:
        if part.padding is None:
            return None
        info = np.iinfo(part.rescale.dtype)
        ends = np.array(part.padding).clip(info.min, info.max).astype(part.rescale.dtype)
        values = part.rescale.to_values(ends, self.dtype)
        return float(values.min()), float(values.max())

    @property
    def array(self) -> "SliceArray":
        """The values (Z, Y, X), read lazily."""
        return SliceArray(self.slices, self.plane_shape, self.dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (Z, Y, X)."""
        return (len(self.slices), *self.plane_shape)

    @cached_property
    def positions(self) -> np.ndarray | None:
        """Positions (Z, 3) of the slices in millimetres; None if unknown."""
        if self.directions is None:
            return None
        return np.array([part.position for part in self.slices])

    @cached_property
    def steps(self) -> np.ndarray:
        """Distances (Z - 1,) between slices along the normal in millimetres; empty if unknown."""
        if self.positions is None or self.directions is None:
            return np.empty(0)
        return np.diff(self.positions @ np.cross(*self.directions))

    @property
    def is_even(self) -> bool:
        """True if all steps are equal up to the usual rounding."""
        steps = self.steps
        return bool(np.allclose(steps, np.median(steps), rtol=EVEN_STEPS)) if steps.size else True

    @property
    def affine(self) -> np.ndarray | None:
        """Affine (4, 4) from voxels (x, y, z) to patient coordinates (LPS, mm); None if unknown."""
        if self.positions is None or self.directions is None or self.spacing is None:
            return None
        affine = np.eye(4)
        affine[:3, 0] = self.directions[0] * self.spacing[1]
        affine[:3, 1] = self.directions[1] * self.spacing[0]
        if self.steps.size and self.is_even:
            affine[:3, 2] = (self.positions[-1] - self.positions[0]) / self.steps.size
        else:
            step = np.median(self.steps) if self.steps.size else self.thickness
            affine[:3, 2] = np.cross(*self.directions) * step
        affine[:3, 3] = self.positions[0]
        return affine

    @property
    def metadata(self) -> Metadata:
        """Metadata of the axes z, y and x."""
        if self.affine is not None:
            return volume_metadata(self.affine, "millimeter")
        if self.spacing is not None:
            return Metadata((1.0, *self.spacing), (0.0,) * 3, (None, "millimeter", "millimeter"))
        return Metadata.default(3)


class SliceArray(LazyArray):
    """The values of a series (Z, Y, X), read lazily, one file for each plane.

    Parameters
    ----------
    slices : sequence of Slice
        The slices in order.
    plane_shape : (int, int)
        Rows and columns of each slice.
    dtype : numpy.dtype
        Type of the values.
    """

    def __init__(self, slices: Sequence[Slice], plane_shape: tuple[int, int], dtype: np.dtype):
        super().__init__((len(slices), *plane_shape), dtype)
        self._slices = slices

    def __getitem__(self, index: Any) -> np.ndarray:
        z, *plane = parts_of(index, self.ndim)
        if not isinstance(z, slice):
            number = range(self.shape[0])[z]
            return next(self._planes(range(number, number + 1)))[tuple(plane)]
        wanted = range(self.shape[0])[z]
        planes = [values[tuple(plane)] for values in self._planes(wanted)]
        if not planes:
            return np.empty(self.shape, self.dtype)[(z, *plane)]
        return np.stack(planes)

    def _planes(self, numbers: range) -> Iterator[np.ndarray]:
        for number in numbers:
            part = self._slices[number]
            yield self._values(read_pixels(pydicom_read(part.path), part.path), part)

    def _values(self, stored: np.ndarray, part: Slice) -> np.ndarray:
        if stored.shape != self.shape[1:]:
            raise InputError(f"The slice {part.path.name} has changed; open the series again.")
        return part.rescale.to_values(stored, self.dtype)


def rescale_of_header(header: Any, slope: float | None, intercept: float | None) -> Rescale:
    """Return the conversion between the stored pixels of a file and their values.

    Parameters
    ----------
    header : pydicom.Dataset
        Gives the type and number of bits of the pixels.
    slope, intercept : float or None
        Rescale slope and intercept, 1 and 0 if missing.
    """
    is_signed = bool(header.get("PixelRepresentation", 0))
    dtype = np.dtype(f"{'i' if is_signed else 'u'}{header.BitsAllocated // 8}")
    bits = int(header.BitsStored)
    return Rescale(
        dtype,
        -(2 ** (bits - 1)) if is_signed else 0,
        2 ** (bits - 1) - 1 if is_signed else 2**bits - 1,
        float(slope or 1),
        float(intercept or 0),
    )


def series_name(header: Any) -> str:
    """Return the modality and a digest of the series' identifier, without patient data."""
    digest = hashlib.sha256(str(header.SeriesInstanceUID).encode()).hexdigest()
    return f"{header.get('Modality') or 'DICOM'} {digest[:DIGEST_LETTERS]}"


def numbers(values: Any) -> np.ndarray:
    """Convert a multi-valued DICOM number to an array (N,)."""
    return np.array([float(value) for value in values])
