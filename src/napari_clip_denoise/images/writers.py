"""Where a result goes."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.images.files import check_place
from napari_clip_denoise.images.grid import Region
from napari_clip_denoise.images.source import DICOM_SUFFIXES, NIFTI_SUFFIXES, Stack
from napari_clip_denoise.text import format_bytes

OmeVersion = Literal["0.4", "0.5"]
WRITTEN_SUFFIXES = ("", ".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg", *DICOM_SUFFIXES)
"""Of files and folders, besides OME-Zarr and NIfTI."""


class Writer(Protocol):
    """Takes finished regions in any order and makes the whole appear only in `finish`.

    Attributes
    ----------
    path : Path
        Final name of the output.
    array : array-like
        What was written so far, in the axes of the source; slices like NumPy.
    region_shape : tuple of int
        Shape of a region that is stored on its own, on a grid from the origin. Different
        regions may be written from several threads.
    can_resume : bool
        Whether a later run can go on with what `pause` leaves.
    fingerprint : dict
        What decides the pixels, as the run noted it that began the output.
    """

    path: Path
    array: Any
    region_shape: tuple[int, ...]
    can_resume: bool
    fingerprint: dict[str, Any]

    def regions(self) -> Iterator[Region]:
        """All regions that this run is to write."""
        ...

    def has(self, index: Region) -> bool:
        """Whether a region is already there, from a run that was interrupted."""
        ...

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region, whose memory is used for others afterwards."""
        ...

    def finish(self) -> Path:
        """Close the output and give it its name."""
        ...

    def abort(self) -> None:
        """Remove what was written so far."""
        ...

    def pause(self) -> None:
        """Stop for now; what a later run cannot resume is removed."""
        ...


def create_writer(
    path: str | Path,
    stack: Stack,
    dtype: np.dtype,
    *,
    overwrite: bool = False,
    attributes: dict[str, Any] | None = None,
    fingerprint: dict[str, Any] | None = None,
    adopt: tuple[str, ...] = (),
    share: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
) -> Writer:
    """Begin an output of the format that its suffix tells.

    Parameters
    ----------
    path : str or Path
        Ending in ``.ome.zarr`` or ``.zarr`` (OME-Zarr), ``.ome.tif``, ``.tif``,
        ``.npy``, ``.png``, ``.jpg``, ``.nii`` or ``.nii.gz``. From a DICOM series, a name
        without suffix is the folder of the derived series, and ``.dcm`` a single image or file
        of many frames.
    stack : Stack
        The source, whose shape, axes and metadata the result gets.
    dtype : numpy.dtype
        Type of the result.
    overwrite : bool
        Whether to replace what is there, once the new one is whole.
    attributes : dict, optional
        How the result was made, as plain values; kept in OME-Zarr and, in a sentence, in DICOM.
    fingerprint, adopt, share, ome_version :
        Only for OME-Zarr, see `OmeZarrWriter`.

    Raises
    ------
    InputError
        If the format is unknown or cannot hold such an image.
    OutputError
        If the place cannot be used.
    """
    path = Path(path)
    check_output(path, stack, overwrite=overwrite, share=share, ome_version=ome_version)
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        from napari_clip_denoise.images.ome_zarr_writer import OmeZarrWriter

        return OmeZarrWriter(
            path,
            stack,
            dtype,
            overwrite=overwrite,
            attributes=attributes or {},
            fingerprint=fingerprint,
            adopt=adopt,
            share=share,
            version=ome_version,
        )
    check_room(path, math.prod(stack.shape) * dtype.itemsize)
    if suffix in (".tif", ".tiff"):
        from napari_clip_denoise.images.tiff import TiffWriter

        return TiffWriter(path, stack, dtype, overwrite=overwrite)
    if suffix == ".npy":
        from napari_clip_denoise.images.raster import NumpyWriter

        return NumpyWriter(path, stack, dtype, overwrite=overwrite)
    if suffix in (".png", ".jpg", ".jpeg"):
        from napari_clip_denoise.images.raster import PictureWriter

        return PictureWriter(path, stack, dtype, overwrite=overwrite)
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        from napari_clip_denoise.images.nifti_writer import NiftiWriter

        return NiftiWriter(path, stack, dtype, overwrite=overwrite)
    from napari_clip_denoise.images.dicom_frames_writer import create_dicom_writer

    return create_dicom_writer(path, stack, dtype, overwrite=overwrite, attributes=attributes or {})


def check_output(
    path: Path,
    stack: Stack,
    *,
    overwrite: bool = False,
    share: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    by_workers: bool = False,
) -> None:
    """Refuse an output that `create_writer` would refuse for its name; nothing is written.

    Parameters
    ----------
    path, stack, overwrite, share, ome_version :
        See `create_writer`.
    by_workers : bool
        Whether the workers of a cluster are to write it.

    Raises
    ------
    InputError
        If the format is unknown, or only OME-Zarr can be written so.
    OutputError
        If the place cannot be used.
    """
    suffix = path.suffix.lower()
    if ome_version not in get_args(OmeVersion):
        raise InputError(f"There is no OME-Zarr version {ome_version} to write; give 0.5 or 0.4.")
    if suffix != ".zarr":
        if by_workers:
            raise InputError(f"Workers can only write OME-Zarr; let {path} end in .ome.zarr.")
        if share != (0, 1) or ome_version != "0.5":
            raise InputError(
                f"Only OME-Zarr can be written in shares or another version; let {path} end in "
                ".ome.zarr."
            )
        if suffix not in WRITTEN_SUFFIXES and not path.name.lower().endswith(NIFTI_SUFFIXES):
            raise InputError(
                f"The format of {path} is not known; let it end in .ome.zarr, .ome.tif, .tif, "
                ".npy, .png, .jpg, .nii or .nii.gz, or have no suffix for a DICOM series."
            )
    check_place(path, stack, overwrite=overwrite)


def region_shape(path: Path, stack: Stack) -> tuple[int, ...]:
    """Shape of the regions in which an output will be written."""
    if path.suffix.lower() != ".zarr":
        return stack.whole_planes()
    from napari_clip_denoise.images.store_layout import StoreLayout

    return StoreLayout.of(stack).region_of_source


def free_bytes(path: Path) -> int:
    """Room on the disk of an output."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError as error:
        raise OutputError(f"There is no folder {path.parent}; make it first.") from error


def check_room(path: Path, n_bytes: int) -> None:
    """Refuse an output that cannot fit on its disk.

    Raises
    ------
    OutputError
        With how much room it takes.
    """
    free = free_bytes(path)
    if n_bytes > free:
        raise OutputError(
            f"{path} takes {format_bytes(n_bytes)}, but only {format_bytes(free)} are free "
            "there; make room or choose another place."
        )
