"""TIFF, OME-TIFF and ImageJ files, read lazily."""

import logging
import threading
import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
import tifffile
import zarr

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.reading import (
    check_claim,
    check_fits_file,
    chosen_image,
    file_errors,
)
from napari_clip_denoise.formats.tiff.metadata import expanded, metadata_of, own_axes
from napari_clip_denoise.formats.tiff.pixels import as_the_file_says
from napari_clip_denoise.images.axes import name_axes
from napari_clip_denoise.images.stack import Stack, as_dask, as_stack

BITS_A_BYTE = 8
UNNAMED = "iq"
"""Letters by which tifffile marks axes that the file does not name."""
STRUCTURE = (
    "invalid page offset",
    "failed to reshape",
    "circular reference",
    "series raised",
    "invalid or corrupted",
)
"""Words by which tifffile logs that pages of a file are missing."""


def read_tiff(path: Path, axes: str | None, series: int | None) -> Stack:
    """Open an image of a TIFF file at full resolution.

    Parameters
    ----------
    path : Path
        The file.
    axes : str or None
        Letters of the image's axes, such as ``"TZYX"``; by default, those of the file.
    series : int or None
        Number of the image to open if the file contains several, from 0.

    Raises
    ------
    InputError
        If the file is damaged or incomplete, holds several images of which none is chosen, its
        pixels are not intensities, or the axes do not match it.
    """
    with file_errors(f"{path} cannot be read as TIFF; the file may be damaged."):
        with _Complaints() as complaints:
            file = tifffile.TiffFile(path)
            number = _chosen(file, path, series)
            chosen = file.series[number]
            len(file.pages)
        if complaints.of_structure:
            raise InputError(
                f"{path} is cut off or damaged, as not all of its planes are found; get the file "
                "again."
            )
        _check_complete(chosen, path)
        array: Any = zarr.open(chosen.aszarr(level=0), mode="r")
        page = chosen.keyframe
        letters = _letters(file, chosen)
        metadata = metadata_of(file, number, letters)
        own = own_axes(file, letters)
        if axes is None and own != letters:
            shape = dict(zip(letters, array.shape, strict=True))
            known = dict(zip(letters, range(len(letters)), strict=True))
            array = as_dask(array, "auto").reshape([shape.get(a, 1) for a in own])
            metadata = expanded(metadata, own, known)
            letters = own
        array, letters, metadata = as_the_file_says(page, array, letters, metadata, path)
    return as_stack(
        array, axes or letters or None, metadata=metadata, name=path.name.split(".")[0], path=path
    )


def _chosen(file: tifffile.TiffFile, path: Path, series: int | None) -> int:
    """Return the number of the image to read, not counting thumbnails."""
    images = [i for i, one in enumerate(file.series) if not one.keyframe.is_reduced] or [0]
    return images[chosen_image(path, len(images), series)]


def _check_complete(series: Any, path: Path) -> None:
    page = series.keyframe
    check_claim(path, series.shape, series.dtype.itemsize)
    n_missing = sum(one is None for one in series)
    if n_missing:
        raise InputError(
            f"{path} describes {len(series)} planes, but {n_missing} of them are missing; put all "
            "files of the image into one folder, or export it again."
        )
    if not series.is_multifile:
        packed = page.compression != tifffile.COMPRESSION.NONE or page.bitspersample < BITS_A_BYTE
        check_fits_file(path, series.shape, series.dtype.itemsize, compressed=packed)
    starts = zip(page.dataoffsets, page.databytecounts, strict=False)
    end = max((start + n_bytes for start, n_bytes in starts), default=0)
    if series.dataoffset is not None:
        end = max(end, series.dataoffset + series.nbytes)
    in_this_file = page.parent.filehandle.path == str(path)
    is_cut = series.is_truncated and series.kind in ("imagej", "shaped")
    if is_cut or (in_this_file and end > path.stat().st_size):
        raise InputError(f"{path} is cut off: pixels are missing at its end; get the file again.")


def _letters(file: tifffile.TiffFile, series: Any) -> str:
    """Return the axes of a series; unnamed ones are stepped through, as in arrays."""
    letters = series.axes.lower()
    plain = file.is_shaped and '"axes"' not in file.pages.first.description
    if plain and "s" in letters and not letters.endswith("s"):
        is_rgb = series.dtype == np.uint8
        kinds = ("RGB colours", "planes") if is_rgb else ("planes", "RGB colours")
        axes = letters.replace("q", "z").replace("s", "c" if is_rgb else "s")
        warnings.warn(
            f"The file does not say whether its {series.shape[letters.index('s')]} planes are "
            f"colours; they are taken as {kinds[0]}. If they are {kinds[1]}, give the axes {axes}.",
            stacklevel=2,
        )
        letters = letters if is_rgb else letters.replace("s", "q")
    return name_axes([None if letter in UNNAMED else letter for letter in letters])


class _Complaints(logging.Handler):
    """Collects what tifffile logs instead of raising, in the thread that opens a file."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.of_structure: list[str] = []
        self._thread = threading.get_ident()
        self._level = tifffile.logger().level

    def __enter__(self) -> Self:
        tifffile.logger().addHandler(self)
        tifffile.logger().setLevel(logging.WARNING)
        return self

    def __exit__(self, *_: object) -> None:
        tifffile.logger().setLevel(self._level)
        tifffile.logger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep complaints about planes that are not found."""
        text = record.getMessage()
        if record.thread == self._thread and any(words in text for words in STRUCTURE):
            self.of_structure.append(text)
