"""Where a result goes."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.source import DICOM_SUFFIXES, NIFTI_SUFFIXES, Stack


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
    """

    path: Path
    array: Any
    region_shape: tuple[int, ...]

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        ...

    def finish(self) -> Path:
        """Close the output and give it its name."""
        ...

    def abort(self) -> None:
        """Remove what was written so far."""
        ...


def create_writer(
    path: str | Path,
    stack: Stack,
    dtype: np.dtype,
    *,
    overwrite: bool = False,
    attributes: dict[str, Any] | None = None,
) -> Writer:
    """Begin an output of the format that its suffix tells.

    Parameters
    ----------
    path : str or Path
        Ending in ``.ome.zarr`` or ``.zarr`` (OME-Zarr 0.5), ``.ome.tif``, ``.tif``,
        ``.npy``, ``.png``, ``.jpg``, ``.nii`` or ``.nii.gz``. From a DICOM series, a name
        without suffix is the folder of the derived series, and ``.dcm`` a single image.
    stack : Stack
        The source, whose shape, axes and metadata the result gets.
    dtype : numpy.dtype
        Type of the result.
    overwrite : bool
        Whether to replace what is there, once the new one is whole.
    attributes : dict, optional
        How the result was made, as plain values; kept in OME-Zarr and, in a sentence, in DICOM.

    Raises
    ------
    InputError
        If the format is unknown or cannot hold such an image.
    OutputError
        If the place cannot be used.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        from napari_clip_denoise.images.ome_zarr import OmeZarrWriter

        return OmeZarrWriter(path, stack, dtype, overwrite=overwrite, attributes=attributes or {})
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
    if suffix in ("", *DICOM_SUFFIXES):
        from napari_clip_denoise.images.dicom_writer import DicomWriter

        return DicomWriter(path, stack, dtype, overwrite=overwrite, attributes=attributes or {})
    raise InputError(
        f"The format of {path} is not known; let it end in .ome.zarr, .ome.tif, .tif, .npy, "
        ".png, .jpg, .nii or .nii.gz, or have no suffix for a DICOM series."
    )
