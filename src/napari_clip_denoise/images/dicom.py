"""DICOM series, read slice by slice, in the units that the scanner gives (CT: Hounsfield)."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.dicom_file import (
    check_image,
    pydicom_read,
    read_header,
    read_pixels,
)
from napari_clip_denoise.images.patient import volume_metadata
from napari_clip_denoise.images.source import Metadata, Stack, as_stack, looks_like_dicom
from napari_clip_denoise.images.storage import Storage

PARALLEL = 1e-3
SAME_PLACE = 1e-3
EVEN_STEPS = 0.02
DIGEST_LETTERS = 8
MAX_NAMED = 5


@dataclass(frozen=True, eq=False)
class Slice:
    """A file of a series.

    Attributes
    ----------
    path : Path
        The file.
    storage : Storage
        How its pixels stand for values.
    position : numpy.ndarray or None
        Of the first pixel in the patient, in millimetres; None where the file doesn't tell.
    """

    path: Path
    storage: Storage
    position: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Series:
    """The images of one SeriesInstanceUID that lie in one folder, in order.

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
    """

    name: str
    slices: tuple[Slice, ...]
    plane_shape: tuple[int, int]
    spacing: tuple[float, float] | None
    directions: np.ndarray | None
    thickness: float

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
            return self._plane(range(self.shape[0])[z])[tuple(plane)]
        planes = [self._plane(i)[tuple(plane)] for i in range(self.shape[0])[z]]
        if not planes:
            return np.empty(self.shape, self.dtype)[(z, *plane)]
        return np.stack(planes)

    def _plane(self, number: int) -> np.ndarray:
        part = self._slices[number]
        stored = read_pixels(pydicom_read(part.path), part.path)
        if stored.shape != self.shape[1:]:
            raise InputError(f"The slice {part.path.name} has changed; open the series again.")
        return part.storage.to_values(stored, self.dtype)


def read_dicom(path: Path, axes: str | None) -> Stack:
    """Open the series in a folder, or the one that a file belongs to, as a stack zyx."""
    series = find_series(path)
    dtype = np.result_type(*{part.storage.value_dtype for part in series.slices})
    if not series.is_even:
        warnings.warn(
            f"The slices of the series are {series.steps.min():.3g} to {series.steps.max():.3g} mm "
            "apart; each is denoised as it is, but as a volume they are shown at equal steps, so "
            "check that none is missing.",
            stacklevel=2,
        )
    return as_stack(
        SliceArray(series.slices, series.plane_shape, dtype),
        axes or "zyx",
        metadata=series.metadata,
        name=series.name,
        path=path,
        is_private=True,
    )


def find_series(path: Path) -> Series:
    """Find and check the series in a folder, or the one that a file belongs to.

    Raises
    ------
    InputError
        If there is none or more than one, or its images cannot be a stack.
    """
    found: dict[str, list[tuple[Path, Any]]] = {}
    wanted = None if path.is_dir() else read_header(path)
    if wanted is not None:
        check_image(wanted, path)
    folder = path if wanted is None else path.parent
    for file in sorted(folder.iterdir()):
        if looks_like_dicom(file):
            header = read_header(file)
            if "Rows" in header and "SeriesInstanceUID" in header:
                found.setdefault(str(header.SeriesInstanceUID), []).append((file, header))
    if wanted is not None:
        return _series(found[str(wanted.SeriesInstanceUID)])
    if not found:
        raise InputError(
            f"The folder {path} holds no DICOM images; give the folder that the images lie in."
        )
    if len(found) > 1:
        firsts = [files[0][0].name for files in found.values()]
        named = ", ".join(firsts[:MAX_NAMED]) + (", …" if len(firsts) > MAX_NAMED else "")
        raise InputError(
            f"The folder {path} holds {len(found)} series; give a file of the one you want, "
            f"such as {named}."
        )
    return _series(next(iter(found.values())))


def _series(files: list[tuple[Path, Any]]) -> Series:
    for path, header in files:
        check_image(header, path)
    headers = [header for _, header in files]
    shapes = sorted({(int(header.Rows), int(header.Columns)) for header in headers})
    if len(shapes) > 1:
        sizes = " and ".join(f"{height} x {width}" for height, width in shapes[:2])
        raise InputError(
            f"The series holds images of different sizes, {sizes}; move those that do not belong "
            "to the stack to another folder."
        )
    directions = _directions(headers)
    order = [int(header.get("InstanceNumber") or 0) for header in headers]
    if directions is not None:
        normal = np.cross(*directions)
        places = np.array([normal @ _numbers(header.ImagePositionPatient) for header in headers])
        if len(files) > 1 and np.diff(np.sort(places)).min() < SAME_PLACE:
            raise InputError(
                "The series holds several images of the same place, such as phases or echoes; "
                "move each of them to a folder of its own."
            )
        order = list(places)
    ranks = sorted(range(len(files)), key=lambda i: (order[i], files[i][0].name))
    first = headers[0]
    spacing = first.get("PixelSpacing") or first.get("ImagerPixelSpacing")
    digest = hashlib.sha256(str(first.SeriesInstanceUID).encode()).hexdigest()
    return Series(
        name=f"{first.get('Modality') or 'DICOM'} {digest[:DIGEST_LETTERS]}",
        slices=tuple(_slice(*files[i], has_position=directions is not None) for i in ranks),
        plane_shape=shapes[0],
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        directions=directions,
        thickness=float(first.get("SliceThickness") or 1),
    )


def _slice(path: Path, header: Any, *, has_position: bool) -> Slice:
    is_signed = bool(header.get("PixelRepresentation", 0))
    dtype = np.dtype(f"{'i' if is_signed else 'u'}{header.BitsAllocated // 8}")
    bits = int(header.BitsStored)
    storage = Storage(
        dtype,
        -(2 ** (bits - 1)) if is_signed else 0,
        2 ** (bits - 1) - 1 if is_signed else 2**bits - 1,
        float(header.get("RescaleSlope") or 1),
        float(header.get("RescaleIntercept") or 0),
    )
    return Slice(path, storage, _numbers(header.ImagePositionPatient) if has_position else None)


def _directions(headers: list[Any]) -> np.ndarray | None:
    """Where rows and columns point to, the same for all; None where the files don't tell."""
    keys = ("ImageOrientationPatient", "ImagePositionPatient")
    if not all(header.get(key) for header in headers for key in keys):
        return None
    directions = np.array([_numbers(header.ImageOrientationPatient) for header in headers])
    if np.abs(directions - directions[0]).max() > PARALLEL:
        raise InputError(
            "The images of the series are not parallel, so they are no stack; move those that do "
            "not belong to it, such as a localizer, to another folder."
        )
    return directions[0].reshape(2, 3)


def _numbers(values: Any) -> np.ndarray:
    return np.array([float(value) for value in values])
