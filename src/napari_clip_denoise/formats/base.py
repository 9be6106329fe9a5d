"""The writer interface, and files that get their final name only once they are complete."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.publish import (
    OutputLock,
    check_name,
    is_replaceable,
    new_token,
    publish,
    remove,
    remove_left_overs,
    unfinished_name,
)
from napari_clip_denoise.formatting import format_bytes
from napari_clip_denoise.images.places import places_of
from napari_clip_denoise.images.regions import Region, split
from napari_clip_denoise.images.stack import Stack

OmeVersion = Literal["0.4", "0.5"]
Check = Callable[[], dict[str, Any]]


class Writer(Protocol):
    """Writes finished regions in any order; the output gets its final name only in `finish`.

    Attributes
    ----------
    array : array-like
        The pixels written so far, in the axes of the source; sliced like a NumPy array.
    region_shape : tuple of int
        Shape of an independently stored region, on a grid from the origin. Several threads may
        write different regions.
    can_resume : bool
        Whether a later run can continue from the state that `pause` leaves.
    fingerprint : dict
        Everything that determines the pixels, as recorded by the run that created the output.
    """

    array: Any
    region_shape: tuple[int, ...]
    can_resume: bool
    fingerprint: dict[str, Any]

    @property
    def path(self) -> Path | str | None:
        """Final path or URL of the output; None for a result in memory."""
        ...

    def regions(self) -> Iterator[Region]:
        """Iterate over the regions that this run writes."""
        ...

    def has(self, index: Region) -> bool:
        """Return whether an interrupted run already wrote a region."""
        ...

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region; the caller reuses the memory of `block` afterwards."""
        ...

    def finish(self, check: Check | None = None) -> Path | str | None:
        """Close the output, move it to its final path, if any, and return that.

        Parameters
        ----------
        check : callable, optional
            Called once all regions are there; returns what to add to the record of how the result
            was made, for formats that have a place for it.
        """
        ...

    def abort(self) -> None:
        """Remove everything written so far."""
        ...

    def pause(self) -> None:
        """Stop writing; keep only what a later run can resume."""
        ...


class PartialFile:
    """A file or store that is written under a temporary name next to its final path.

    Parameters
    ----------
    path : Path
        Final path.
    stack : Stack
        The source; the output may not overlap it on disk.
    overwrite : bool
        Whether to replace an existing output once the new one is complete.

    Attributes
    ----------
    can_resume : bool
        Whether a later run can continue from a partial output.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """

    can_resume = False

    def __init__(self, path: Path, stack: Stack, *, overwrite: bool):
        self.path = path
        self.stack = stack
        self.region_shape = stack.whole_planes()
        self.fingerprint: dict[str, Any] = {}
        self._overwrite = overwrite
        self._lock: OutputLock | None = None
        check_place(path, stack, overwrite=overwrite)
        if self.can_resume:
            self.partial = unfinished_name(path)
            return
        self.partial = unfinished_name(path, new_token())
        self._lock = OutputLock(path)
        if path.exists() and not overwrite:  # by a run that has ended just now
            self._unlock()
            raise OutputError(f"{path} already exists; give another name or allow overwriting.")
        try:
            remove_left_overs(path)
            self.partial.touch(exist_ok=False)
            self.partial.unlink()
        except OSError as error:
            self._unlock()
            raise OutputError(
                f"{path} cannot be written: {error.strerror}; choose another place."
            ) from error

    def regions(self) -> Iterator[Region]:
        """Iterate over the regions that this run writes."""
        return split(self.stack.shape, self.region_shape)

    def has(self, index: Region) -> bool:
        """Return whether an interrupted run already wrote a region."""
        return False

    def finish(self, check: Check | None = None) -> Path:
        """Close the output, move it to its final path and return that; see `Writer`."""
        if check is not None:
            check()
        try:
            self._close()
            publish(self.partial, self.path, overwrite=self._overwrite)
            sync_folder(self.path.parent)
            remove_left_overs(self.path)
        except FileExistsError as error:
            raise OutputError(
                f"{self.path} appeared meanwhile; the result is kept as {self._kept()}."
            ) from error
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error
        self._unlock()
        return self.path

    def abort(self) -> None:
        """Remove everything written so far; an existing output is left untouched."""
        self._discard()
        remove(self.partial)
        self._unlock()

    def pause(self) -> None:
        """Stop writing; keep only what a later run can resume."""
        self.abort()

    def _kept(self) -> Path:
        """Give a complete output a visible name of its own and return that."""
        name = self.path.name
        stem = name.split(".")[0]
        kept = self.path.with_name(f"{stem}-{new_token()}{name.removeprefix(stem)}")
        self.partial.rename(kept)
        return kept

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _close(self) -> None:
        """Flush everything to disk; overridden by writers that buffer."""

    def _discard(self) -> None:
        """Close open files without finishing them."""
        if hasattr(self, "array"):
            self.array = None


def check_place(path: Path, stack: Stack, *, overwrite: bool) -> None:
    """Check that the result of a stack can be written to a path, without writing anything.

    Parameters
    ----------
    path : Path
        Path of the output.
    stack : Stack
        The source.
    overwrite : bool
        Whether an existing output may be replaced.

    Raises
    ------
    OutputError
        If the path overlaps the source, exists and may not be overwritten, holds what this
        program has not written, or its folder is missing or cannot be written.
    """
    check_path(path, sources_of(stack), overwrite=overwrite)


def check_path(path: Path, sources: set[Path], *, overwrite: bool) -> None:
    """Check a path as `check_place` does, with the files and stores that are read."""
    check_name(path)
    if any(_overlap(path, place) for place in sources):
        raise OutputError(f"The output {path} is the input; give another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} already exists; give another name or allow overwriting.")
    if path.exists() and not is_replaceable(path):
        raise OutputError(
            f"{path} contains files that this program did not write and is not replaced; give "
            "another name."
        )
    check_folder(path)


def check_folder(path: Path) -> None:
    """Check that the folder of a path exists and can be written."""
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}; make it first.")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"The folder {path.parent} cannot be written; choose another place.")


def free_bytes(path: Path) -> int:
    """Return the free space on the disk of an output, in bytes.

    Raises
    ------
    OutputError
        If the folder of the output is missing.
    """
    try:
        return shutil.disk_usage(path.parent).free
    except OSError as error:
        raise OutputError(f"There is no folder {path.parent}; make it first.") from error


def check_room(path: Path, n_bytes: int) -> None:
    """Check that an output of `n_bytes` fits on its disk.

    Raises
    ------
    OutputError
        If it does not fit; the message gives the required and the free space.
    """
    free = free_bytes(path)
    if n_bytes > free:
        raise OutputError(
            f"{path} takes {format_bytes(n_bytes)}, but only {format_bytes(free)} are free "
            "there; make room or choose another place."
        )


def sync(path: Path) -> None:
    """Flush a file to disk, so that it survives a loss of power."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to disk, where the operating system can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # file systems that sync folders on their own
        pass
    finally:
        os.close(descriptor)


def sources_of(stack: Stack) -> set[Path]:
    """Return the local files and stores that a stack is read from, as far as they are known."""
    return places_of(stack.array) if stack.path is None else {stack.path}


def _overlap(path: Path, source: Path) -> bool:
    path, source = path.resolve(), source.resolve()
    return path == source or source in path.parents or path in source.parents
