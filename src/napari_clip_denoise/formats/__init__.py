"""Image files and stores: opened as stacks, and written region by region."""

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.base import OmeVersion, Writer, check_place, check_room
from napari_clip_denoise.formats.detect import (
    DICOM_SUFFIXES,
    NIFTI_SUFFIXES,
    RASTER_SUFFIXES,
    SUFFIXES,
    TIFF_SUFFIXES,
    is_dicom,
    is_zarr,
)
from napari_clip_denoise.images.stack import Stack

WRITTEN_SUFFIXES = ("", ".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg", *DICOM_SUFFIXES)
"""Of files and folders, besides OME-Zarr and NIfTI."""


def open_stack(path: str | Path, axes: str | None = None) -> Stack:
    """Open an image file or store, without reading its pixels where the format allows it.

    Parameters
    ----------
    path : str or Path
        TIFF, OME-TIFF, OME-Zarr 0.4 and 0.5 (also an image within a store), zarr, NumPy, NIfTI,
        PNG, JPEG or BMP, told by the suffix; a DICOM series, by its folder or any of its files; a
        DICOM file of many frames. Of a pyramid the full resolution is taken.
    axes : str, optional
        Instead of those that the file tells.

    Raises
    ------
    InputError
        If it is missing, damaged, unfinished or of an unknown format.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(f"There is no file or store {path}.")
    if is_zarr(path):
        from napari_clip_denoise.formats.ome_zarr.reader import read_zarr

        return read_zarr(path, axes)
    if suffix in TIFF_SUFFIXES:
        from napari_clip_denoise.formats.tiff import read_tiff

        return read_tiff(path, axes)
    if suffix in RASTER_SUFFIXES:
        from napari_clip_denoise.formats.raster import read_raster

        return read_raster(path, axes)
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        from napari_clip_denoise.formats.medical.nifti import read_nifti

        return read_nifti(path, axes)
    if is_dicom(path):
        from napari_clip_denoise.formats.medical.dicom_reader import read_dicom

        return read_dicom(path, axes)
    raise InputError(
        f"The format of {path} is not known; give the folder of a DICOM series, or a file that "
        f"ends in one of {', '.join(SUFFIXES)}."
    )


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
        from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter

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
        from napari_clip_denoise.formats.tiff import TiffWriter

        return TiffWriter(path, stack, dtype, overwrite=overwrite)
    if suffix == ".npy":
        from napari_clip_denoise.formats.raster import NumpyWriter

        return NumpyWriter(path, stack, dtype, overwrite=overwrite)
    if suffix in (".png", ".jpg", ".jpeg"):
        from napari_clip_denoise.formats.raster import PictureWriter

        return PictureWriter(path, stack, dtype, overwrite=overwrite)
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        from napari_clip_denoise.formats.medical.nifti_writer import NiftiWriter

        return NiftiWriter(path, stack, dtype, overwrite=overwrite)
    from napari_clip_denoise.formats.medical.dicom_multiframe_writer import create_dicom_writer

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
    from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout

    return StoreLayout.of(stack).region_of_source
