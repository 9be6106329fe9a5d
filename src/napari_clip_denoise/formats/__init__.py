"""Reading image files and stores as stacks, and writing them region by region."""

import math
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from napari_clip_denoise.errors import InputError, door
from napari_clip_denoise.formats.base import OmeVersion, Writer, check_place, check_room
from napari_clip_denoise.formats.detect import as_place, as_url
from napari_clip_denoise.formats.table import (
    FORMATS,
    SUFFIXES,
    WRITTEN_SUFFIXES,
    Format,
    format_of,
)
from napari_clip_denoise.images.opening import Opening
from napari_clip_denoise.images.stack import Stack


@door
def open_stack(path: str | Path, axes: str | None = None, series: int | str | None = None) -> Stack:
    """Open an image file or store, lazily where the format allows it.

    Parameters
    ----------
    path : str or Path
        A TIFF, OME-TIFF, OME-Zarr 0.4 or 0.5 (or an image within such a store), zarr, NumPy,
        NIfTI, MRC, PNG, JPEG or BMP file, recognised by its suffix; the folder or any file of a
        DICOM series; a multi-frame DICOM file; a folder of TIFF or PNG planes; a microscope's file
        that a reader of bioio reads (CZI, ND2, LIF, DV and others); or the URL of an OME-Zarr store
        (http, https, s3, gs). Pyramids are opened at full resolution.
    axes : str, optional
        One letter per dimension, in any order, overriding the axes stored in the file.
    series : int or str, optional
        Number of the image, from 0, in a file that holds several, or the name of a scene of a
        microscope's file.

    Returns
    -------
    Stack
        The image with its axes and metadata.

    Raises
    ------
    InputError
        If the file is missing, damaged, unfinished or of an unknown format, or holds several
        images and none is chosen.
    """
    if url := as_url(path):
        from napari_clip_denoise.formats.ome_zarr.reader import read_zarr

        number = _number(url, series)
        return replace(read_zarr(url, axes, number), opening=Opening(url, axes, number))
    path = Path(path)
    _check_readable(path)
    each = format_of(path)
    if each is None:
        raise InputError(
            f"The format of {path} is not known; give the folder of a DICOM series, or a file that "
            f"ends in one of {', '.join(SUFFIXES)}."
        )
    if series and not each.has_series:
        raise InputError(f"{path} holds a single image; leave out its number {series}.")
    number = _number(path, series, each)
    chosen = (number,) if each.has_series else ()
    stack: Stack = each.reader(path, axes, *chosen)
    return replace(stack, opening=Opening(str(path.resolve()), axes, number))


def open_again(opening: Opening) -> Stack:
    """Open a stack as it was opened before, perhaps in another process."""
    return open_stack(opening.source, opening.axes, opening.series)


def create_writer(
    path: str | Path,
    stack: Stack,
    dtype: np.dtype,
    *,
    overwrite: bool = False,
    attributes: dict[str, Any] | None = None,
    fingerprint: dict[str, Any] | None = None,
    inherit: tuple[str, ...] = (),
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    on_verified: Callable[[int, int], object] | None = None,
) -> Writer:
    """Create a writer for the format given by the suffix of a path.

    Parameters
    ----------
    path : str or Path
        Output path, ending in ``.ome.zarr`` or ``.zarr`` (OME-Zarr), ``.ome.tif``, ``.tif``,
        ``.npy``, ``.png``, ``.jpg``, ``.nii``, ``.nii.gz`` or ``.mrc``. For a DICOM source, a path
        without a suffix is the folder of the derived series, and ``.dcm`` a single image or a
        multi-frame file. OME-Zarr is also written to URLs such as ``s3://bucket/a.ome.zarr``.
    stack : Stack
        The source, whose shape, axes and metadata the result inherits.
    dtype : numpy.dtype
        Type of the result.
    overwrite : bool
        Whether to replace an existing output once the new one is complete.
    attributes : dict, optional
        How the result was made, as plain values; stored in OME-Zarr and, as a sentence, in DICOM.
    fingerprint, inherit, shard, ome_version, on_verified :
        Only for OME-Zarr, see `OmeZarrWriter`.

    Returns
    -------
    Writer
        Accepts regions in any order.

    Raises
    ------
    InputError
        If the format is unknown or cannot hold such an image.
    OutputError
        If the path cannot be written.
    """
    path = as_place(path)
    check_output(path, stack, dtype, overwrite=overwrite, shard=shard, ome_version=ome_version)
    chosen = _written_format(path)
    if not chosen.is_store:
        assert isinstance(path, Path)
        check_room(path, math.prod(stack.shape) * dtype.itemsize)
    options = {
        "overwrite": overwrite,
        "attributes": attributes or {},
        "fingerprint": fingerprint,
        "inherit": inherit,
        "shard": shard,
        "ome_version": ome_version,
        "on_verified": on_verified,
    }
    writer: Writer = chosen.writer(
        path, stack, dtype, **{name: options[name] for name in chosen.options}
    )
    return writer


def check_output(
    path: Path | str,
    stack: Stack,
    dtype: np.dtype,
    *,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    by_workers: bool = False,
) -> None:
    """Check an output path as `create_writer` does, without writing anything.

    Parameters
    ----------
    path, stack, dtype, overwrite, shard, ome_version :
        See `create_writer`.
    by_workers : bool
        Whether the workers of a cluster will write the output.

    Raises
    ------
    InputError
        If the format is unknown or cannot hold the result, or the options need OME-Zarr.
    OutputError
        If the path cannot be written.
    """
    if ome_version not in get_args(OmeVersion):
        raise InputError(f"There is no OME-Zarr version {ome_version} to write; give 0.5 or 0.4.")
    path = as_place(path)
    chosen = _written_format(path)
    if isinstance(path, str):
        if by_workers:
            raise InputError(
                "The workers of a cluster cannot write to a URL; let tasks do a part each, with "
                "--shard i/n (shard= in Python)."
            )
        from napari_clip_denoise.formats.ome_zarr.remote.target import check_url

        check_url(path, overwrite=overwrite)
        chosen.check_result(path, stack, dtype)
        return
    if not chosen.is_store:
        if by_workers:
            raise InputError(f"Workers can only write OME-Zarr; let {path} end in .ome.zarr.")
        if shard != (0, 1) or ome_version != "0.5":
            raise InputError(
                f"Only OME-Zarr can be written in parts or in another version; let {path} end in "
                ".ome.zarr."
            )
    check_place(path, stack, overwrite=overwrite)
    chosen.check_result(path, stack, dtype)


def is_complete(path: Path | str) -> bool:
    """Return whether the output of a run is there, which other parts may still be writing."""
    if url := as_url(path):
        from napari_clip_denoise.formats.ome_zarr.remote.target import is_complete

        return is_complete(url)
    return Path(path).exists()


def region_shape(path: Path | str, stack: Stack) -> tuple[int, ...]:
    """Return the shape of the regions in which an output of a stack will be written."""
    if not _written_format(path).is_store:
        return stack.whole_planes()
    from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout

    return StoreLayout.of(stack).region_of_source


def lost_metadata(path: Path | str, stack: Stack) -> str | None:
    """Return what a format cannot keep of a stack, in words; None if it keeps all."""
    chosen = _written_format(path)
    name = str(path).rpartition("/")[2]
    known = stack.metadata
    present = {
        "pixel sizes": any(known.units) or any(size != 1 for size in known.scale),
        "the position": any(known.translation),
        "channel names": any(known.channel_names),
    }
    keeps = (*chosen.keeps, *(("channel names",) if ".ome.tif" in name.lower() else ()))
    lost = [name for name, is_there in present.items() if is_there and name not in keeps]
    sentences = []
    if lost:
        sentences.append(
            f"{name} will not keep {' and '.join(lost)} of the source, which its format has "
            "no place for; write .ome.zarr to keep them."
        )
    if stack.low_is_white and not chosen.keeps_white:
        sentences.append(
            "The source asks viewers to show its low values white (MONOCHROME1); "
            f"{name} keeps the values, but viewers will show low ones black. Write DICOM to "
            "keep the look, too."
        )
    return " ".join(sentences) or None


def _number(path: object, series: int | str | None, chosen: Format | None = None) -> int | None:
    """Return the number of an image that may be given by its name."""
    if not isinstance(series, str):
        return series
    names = chosen.names_of_images(Path(str(path))) if chosen else ()
    if series in names:
        return names.index(series)
    raise InputError(
        f"{path} has no image '{series}'; it holds {', '.join(names)}."
        if names
        else f"The images in {path} have numbers, not names such as '{series}'; give a number."
    )


def _written_format(path: Path | str) -> Format:
    url = as_url(path)
    for each in FORMATS:
        if each.writes(Path(path)) and (each.is_store or not url):
            return each
    if url:
        raise InputError(
            f"Only OME-Zarr is written to a URL; let {url} end in .ome.zarr, or give a path on a "
            "disk."
        )
    raise InputError(
        f"The format of {path} is not known; let it end in one of {', '.join(WRITTEN_SUFFIXES)}, "
        "or have no suffix for a DICOM series."
    )


def _check_readable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if isinstance(error, PermissionError):
            raise InputError(f"{path} may not be read; ask for the permission.") from error
        raise InputError(f"There is no file or folder {path}.") from error
    except ValueError as error:
        raise InputError(f"There is no file or folder {path!r}.") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path} is a pipe or device, not a file; give a file or folder.")
