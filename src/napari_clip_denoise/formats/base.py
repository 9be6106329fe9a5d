"""Outputs: what takes regions, and files that appear under their name only when they are whole."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formatting import format_bytes
from napari_clip_denoise.images.regions import Region, split
from napari_clip_denoise.images.stack import Stack

OmeVersion = Literal["0.4", "0.5"]


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


class PartialFile:
    """A file or store that is written under a temporary name beside its final one.

    Parameters
    ----------
    path : Path
        Final name.
    stack : Stack
        The source; the output may not be in its place.
    overwrite : bool
        Whether to replace what is there, once the new one is whole.

    Attributes
    ----------
    can_resume : bool
        Whether what an interrupted run has left under the temporary name is of use.

    Raises
    ------
    OutputError
        If the place cannot be used.
    """

    can_resume = False

    def __init__(self, path: Path, stack: Stack, *, overwrite: bool):
        self.path = path
        self.stack = stack
        self.partial = path.with_name(f".{path.name}.partial")
        self.region_shape = stack.whole_planes()
        self.fingerprint: dict[str, Any] = {}
        self._overwrite = overwrite
        check_place(path, stack, overwrite=overwrite)
        try:
            if self.can_resume:
                self.partial.mkdir(exist_ok=True)
            else:
                remove(self.partial)
                self.partial.touch()
                self.partial.unlink()
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {error.strerror}; give a place that can be."
            ) from error

    def regions(self) -> Iterator[Region]:
        """All regions that this run is to write."""
        return split(self.stack.shape, self.region_shape)

    def has(self, index: Region) -> bool:
        """Whether a region is already there, from a run that was interrupted."""
        return False

    def finish(self) -> Path:
        """Close the output and give it its name."""
        try:
            self._close()
            if self.path.exists() and not self._overwrite:
                raise OutputError(
                    f"{self.path} appeared meanwhile; the result is kept as {self.partial}."
                )
            if self.path.is_dir():
                remove(self.path)
            self.partial.replace(self.path)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error
        return self.path

    def abort(self) -> None:
        """Remove what was written so far; the final name is left as it was."""
        self._discard()
        remove(self.partial)

    def pause(self) -> None:
        """Stop for now; what a later run cannot resume is removed."""
        self.abort()

    def _close(self) -> None:
        """Bring everything to the disk; for writers that hold something back."""

    def _discard(self) -> None:
        """Let go of open files without finishing them."""
        if hasattr(self, "array"):
            self.array = None


def check_place(path: Path, stack: Stack, *, overwrite: bool) -> None:
    """Refuse a place where the result of a stack cannot go; nothing is written.

    Raises
    ------
    OutputError
        If it is the source's, or taken and `overwrite` is not set, or in no folder.
    """
    if stack.path is not None and _overlap(path, stack.path):
        raise OutputError(f"The output {path} is the input; give another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is there already; give another name or allow overwriting.")
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}; make it first.")


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


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _overlap(path: Path, source: Path) -> bool:
    path, source = path.resolve(), source.resolve()
    return path == source or source in path.parents or path in source.parents
