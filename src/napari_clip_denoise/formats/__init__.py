"""Image files and stores: opened as stacks, and written region by region."""

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.base import OmeVersion, Writer, check_place, check_room
from napari_clip_denoise.formats.table import FORMATS, SUFFIXES, WRITTEN_SUFFIXES, Format
from napari_clip_denoise.images.stack import Stack


def open_stack(path: str | Path, axes: str | None = None) -> Stack:
    """Open an image file or store, without reading its pixels where the format allows it.

    Parameters
    ----------
    path : str or Path
        TIFF, OME-TIFF, OME-Zarr 0.4 and 0.5 (also an image within a store), zarr, NumPy, NIfTI,
        MRC, PNG, JPEG or BMP, told by the suffix; a DICOM series, by its folder or any of its
        files; a DICOM file of many frames. Of a pyramid the full resolution is taken.
    axes : str, optional
        Instead of those that the file tells.

    Raises
    ------
    InputError
        If it is missing, damaged, unfinished or of an unknown format.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file or store {path}.")
    for each in FORMATS:
        if each.reads(path):
            stack: Stack = each.reader(path, axes)
            return stack
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
        ``.npy``, ``.png``, ``.jpg``, ``.nii``, ``.nii.gz`` or ``.mrc``. From a DICOM series, a name
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
    chosen = _written_format(path)
    if not chosen.is_store:
        check_room(path, math.prod(stack.shape) * dtype.itemsize)
    options = {
        "overwrite": overwrite,
        "attributes": attributes or {},
        "fingerprint": fingerprint,
        "adopt": adopt,
        "share": share,
        "ome_version": ome_version,
    }
    writer: Writer = chosen.writer(
        path, stack, dtype, **{name: options[name] for name in chosen.options}
    )
    return writer


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
    if ome_version not in get_args(OmeVersion):
        raise InputError(f"There is no OME-Zarr version {ome_version} to write; give 0.5 or 0.4.")
    chosen = _written_format(path)
    if not chosen.is_store:
        if by_workers:
            raise InputError(f"Workers can only write OME-Zarr; let {path} end in .ome.zarr.")
        if share != (0, 1) or ome_version != "0.5":
            raise InputError(
                f"Only OME-Zarr can be written in shares or another version; let {path} end in "
                ".ome.zarr."
            )
    check_place(path, stack, overwrite=overwrite)


def region_shape(path: Path, stack: Stack) -> tuple[int, ...]:
    """Return the shape of the regions in which an output will be written."""
    if not _written_format(path).is_store:
        return stack.whole_planes()
    from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout

    return StoreLayout.of(stack).region_of_source


def _written_format(path: Path) -> Format:
    for each in FORMATS:
        if each.writes(path):
            return each
    raise InputError(
        f"The format of {path} is not known; let it end in one of {', '.join(WRITTEN_SUFFIXES)}, "
        "or have no suffix for a DICOM series."
    )
