"""Folders of TIFF or PNG files, one plane each, read as a stack."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import PLANE_SUFFIXES
from napari_clip_denoise.formats.raster import read_picture
from napari_clip_denoise.formats.tiff.reader import read_tiff
from napari_clip_denoise.images.lazy import LazyArray, parts_of
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.sampling import evenly
from napari_clip_denoise.images.stack import Metadata, Stack, as_stack

MOST_CHECKED = 1000
NEW_AXES = "ztcpqr"


def read_folder(path: Path, axes: str | None) -> Stack:
    """Open the TIFF or PNG files of a folder as a stack, in the natural order of their names.

    Raises
    ------
    InputError
        If the files are of several kinds, damaged, or differ in shape or type.
    """
    files = [file for file in path.iterdir() if file.name.lower().endswith(PLANE_SUFFIXES)]
    files = sorted((file for file in files if not file.name.startswith(".")), key=_natural)
    kinds = sorted({file.suffix.lower().replace(".tiff", ".tif") for file in files})
    if len(kinds) > 1:
        raise InputError(
            f"The folder {path} holds images of several kinds ({', '.join(kinds)}); give one of "
            "them, or move the planes of the stack to a folder of their own."
        )
    first = _open(files[0])
    for number in evenly(len(files), MOST_CHECKED):
        _check_same(_open(files[number]), files[number], first, files[0])
    new = next(axis for axis in NEW_AXES if axis not in first.axes)
    known = first.metadata
    metadata = Metadata(
        (1.0, *known.scale),
        (0.0, *known.translation),
        (None, *known.units),
        known.channel_names,
        known.channel_colors,
        known.display_ranges,
    )
    array = FolderArray(files, first)
    return as_stack(array, axes or new + first.axes, metadata=metadata, name=path.name, path=path)


class FolderArray(LazyArray):
    """The images of a folder as one array, read lazily.

    Parameters
    ----------
    files : sequence of Path
        The files, in order.
    first : Stack
        The first image, whose shape and type all have.
    """

    def __init__(self, files: Sequence[Path], first: Stack):
        super().__init__((len(files), *first.shape), first.dtype)
        self._files = files
        self._first = first

    def __getitem__(self, index: Any) -> np.ndarray:
        number, *inner = parts_of(index, self.ndim)
        if not isinstance(number, slice):
            return self._read(range(self.shape[0])[number])[tuple(inner)]
        planes = [self._read(i)[tuple(inner)] for i in range(self.shape[0])[number]]
        return np.stack(planes) if planes else np.empty(self.shape, self.dtype)[(number, *inner)]

    def _read(self, number: int) -> np.ndarray:
        stack = _open(self._files[number])
        _check_same(stack, self._files[number], self._first, self._files[0])
        return stack.read(whole(stack.shape))


def _open(file: Path) -> Stack:
    read = read_picture if file.suffix.lower() == ".png" else read_tiff
    return read(file, None, None)


def _check_same(stack: Stack, file: Path, first: Stack, first_file: Path) -> None:
    one, other = (f"{' x '.join(map(str, s.shape))} {s.axes} of {s.dtype}" for s in (first, stack))
    if one != other:
        raise InputError(
            f"{first_file.name} is {one}, but {file.name} is {other}; move what does not belong to "
            f"the stack out of {file.parent}."
        )


def _natural(file: Path) -> list[tuple[int, str]]:
    """Return a key that sorts numbers within names by their value."""
    parts = re.split(r"(\d+)", file.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
