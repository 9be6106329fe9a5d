"""A series of DICOM images in the order in which they lie in the patient, and its values."""

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
from napari_clip_denoise.formats.medical.rescale import Storage
from napari_clip_denoise.images.stack import Metadata

PARALLEL = 1e-3
SAME_PLACE = 1e-3
EVEN_STEPS = 0.02
DIGEST_LETTERS = 8


@dataclass(frozen=True, eq=False)
class Slice:
    """An image of a series: a file, or a frame of the one that holds them all.

    Attributes
    ----------
    path : Path
        The file.
    storage : Storage
        How its pixels stand for values.
    position : numpy.ndarray or None
        Of the first pixel in the patient, in millimetres; None where the file doesn't tell.
    frame : int
        Number within the file, from 0.
    """

    path: Path
    storage: Storage
    position: np.ndarray | None
    frame: int = 0


@dataclass(frozen=True, eq=False)
class Series:
    """The images of one SeriesInstanceUID in a folder, or the frames of one file, in order.

    Attributes
    ----------
    name : str
        Modality and a digest of the series' identifier; nothing of the patient.
    slices : tuple of Slice
        Sorted along the normal of the planes, or by number where positions are not told.
    plane_shape : (int, int)
        Rows and columns of every slice.
    spacing : (float, float) or None
        Between rows and between columns, in millimetres.
    directions : numpy.ndarray or None
        (2, 3), where x and y of the plane point to in the patient.
    thickness : float
        Step of a series of a single slice, in millimetres.
    axes : str
        Letters of the axes.
    """

    name: str
    slices: tuple[Slice, ...]
    plane_shape: tuple[int, int]
    spacing: tuple[float, float] | None
    directions: np.ndarray | None
    thickness: float
    axes: str = "zyx"

    @property
    def dtype(self) -> np.dtype:
        """Type that holds the values of every slice."""
        return np.result_type(*{part.storage.value_dtype for part in self.slices})

    @property
    def array(self) -> "SliceArray":
        """The values (Z, Y, X), read when they are asked for."""
        return SliceArray(self.slices, self.plane_shape, self.dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        return (len(self.slices), *self.plane_shape)

    @cached_property
    def positions(self) -> np.ndarray | None:
        """(Z, 3) in millimetres; None where unknown."""
        if self.directions is None:
            return None
        return np.array([part.position for part in self.slices])

    @cached_property
    def steps(self) -> np.ndarray:
        """Distances from slice to slice along the normal; empty where unknown."""
        if self.positions is None or self.directions is None:
            return np.empty(0)
        return np.diff(self.positions @ np.cross(*self.directions))

    @property
    def is_even(self) -> bool:
        """Whether all steps are equal, up to how they are usually rounded."""
        steps = self.steps
        return bool(np.allclose(steps, np.median(steps), rtol=EVEN_STEPS)) if steps.size else True

    @property
    def affine(self) -> np.ndarray | None:
        """(4, 4), voxels (x, y, z) to the patient's millimetres (left, posterior, superior)."""
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
        """Of the axes z, y, x."""
        if self.affine is not None:
            return volume_metadata(self.affine, "millimeter")
        if self.spacing is not None:
            return Metadata((1.0, *self.spacing), (0.0,) * 3, (None, "millimeter", "millimeter"))
        return Metadata.default(3)


class SliceArray:
    """The values of a series (Z, Y, X), a file read for each plane that is asked for.

    Parameters
    ----------
    slices : sequence of Slice
        In order.
    plane_shape : (int, int)
        Of each.
    dtype : numpy.dtype
        Type of the values.
    """

    def __init__(self, slices: Sequence[Slice], plane_shape: tuple[int, int], dtype: np.dtype):
        self.shape = (len(slices), *plane_shape)
        self.ndim = 3
        self.dtype = dtype
        self._slices = slices

    def __getitem__(self, index: Any) -> np.ndarray:
        z, *plane = index if isinstance(index, tuple) else (index,)
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
        return part.storage.to_values(stored, self.dtype)


def stored_as(header: Any, slope: float | None, intercept: float | None) -> Storage:
    """How the pixels of a file stand for values; without a slope they are the values."""
    is_signed = bool(header.get("PixelRepresentation", 0))
    dtype = np.dtype(f"{'i' if is_signed else 'u'}{header.BitsAllocated // 8}")
    bits = int(header.BitsStored)
    return Storage(
        dtype,
        -(2 ** (bits - 1)) if is_signed else 0,
        2 ** (bits - 1) - 1 if is_signed else 2**bits - 1,
        float(slope or 1),
        float(intercept or 0),
    )


def series_name(header: Any) -> str:
    """Modality and a digest of the series' identifier; nothing of the patient."""
    digest = hashlib.sha256(str(header.SeriesInstanceUID).encode()).hexdigest()
    return f"{header.get('Modality') or 'DICOM'} {digest[:DIGEST_LETTERS]}"


def numbers(values: Any) -> np.ndarray:
    """A DICOM value of several numbers as an array."""
    return np.array([float(value) for value in values])
