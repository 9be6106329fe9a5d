"""Conversion of TIFF pixels to what they stand for: photometric interpretation and orientation."""

from pathlib import Path
from typing import Any

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.orientation import is_turned, upright, upright_order
from napari_clip_denoise.images.stack import Metadata, as_dask

GREY_OR_RGB = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB)
NAMES = {
    PHOTOMETRIC.SEPARATED: "printing inks (CMYK)",
    PHOTOMETRIC.CIELAB: "CIE L*a*b* colours",
    PHOTOMETRIC.ICCLAB: "CIE L*a*b* colours",
    PHOTOMETRIC.YCBCR: "YCbCr colours",
    PHOTOMETRIC.PALETTE: "the numbers of palette colours",
    PHOTOMETRIC.CFA: "the raw pixels of a colour camera",
    PHOTOMETRIC.MASK: "a transparency mask",
}
RAMP_ERROR = 256
"""Largest departure from a straight line, of 65535, of a palette that only tints grey values."""
ORIENTATION = "Orientation"


def as_the_file_says(
    page: Any, array: Any, axes: str, metadata: Metadata, path: Path
) -> tuple[Any, str, Metadata]:
    """Invert pixels whose low values are white, and set the image upright.

    Parameters
    ----------
    page : tifffile.TiffPage
        Describes the pixels.
    array : zarr.Array or dask.array.Array
        The pixels as stored.
    axes : str
        One letter per dimension, or ``""`` if unknown.
    metadata : Metadata
        Metadata of the stored image.
    path : Path
        The file, for messages.

    Returns
    -------
    array : array-like
        The intensities, read lazily.
    axes : str
        Their axes.
    metadata : Metadata
        Their metadata.

    Raises
    ------
    InputError
        If the pixels are not intensities.
    """
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        array = _inverted(page, array, path)
    elif not _is_intensity(page):
        named = NAMES.get(page.photometric, f"pixels of the kind {page.photometric!s}")
        raise InputError(f"{path} holds {named}, not intensities; convert it to grey or RGB first.")
    tag = page.tags.get(ORIENTATION)
    orientation = 1 if tag is None else int(tag.value)
    if not axes or not is_turned(orientation):
        return array, axes, metadata
    turned = upright(as_dask(array, array.chunks), axes, orientation)
    return turned, axes, metadata.reordered(upright_order(axes, orientation))


def _inverted(page: Any, array: Any, path: Path) -> Any:
    dtype = np.dtype(array.dtype)
    if dtype.kind == "b":
        return array
    if dtype.kind != "u":
        raise InputError(
            f"{path} holds {dtype} pixels whose lowest values are white, which have no defined "
            "range; invert it and save it as black-is-zero first."
        )
    white = dtype.type(2**page.bitspersample - 1)
    return as_dask(array, array.chunks).map_blocks(_subtracted_from, white, dtype=dtype)


def _subtracted_from(block: np.ndarray, white: np.integer) -> np.ndarray:
    return white - block


def _is_intensity(page: Any) -> bool:
    if page.photometric == PHOTOMETRIC.PALETTE:
        return page.colormap is not None and _is_tint(np.asarray(page.colormap))
    is_jpeg = page.compression in (COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.ALT_JPEG)
    return page.photometric in GREY_OR_RGB or (
        page.photometric == PHOTOMETRIC.YCBCR and (is_jpeg or "APERIO" in page.compression.name)
    )


def _is_tint(colormap: np.ndarray) -> bool:
    """Return whether a palette (3, N) shows grey values, tinted: each colour rises in a line."""
    ends = colormap[:, -1:].astype(float)
    line = ends * np.linspace(0, 1, colormap.shape[1])
    return bool(np.abs(colormap - line).max() <= RAMP_ERROR)
