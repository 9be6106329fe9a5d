"""Where a store is written until it is whole, and the step that gives it its name."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import check_path, sync, sync_folder
from napari_clip_denoise.formats.detect import ZARR_FILES, as_url
from napari_clip_denoise.formats.ome_zarr.files import Files, LocalFiles
from napari_clip_denoise.formats.ome_zarr.record import Record
from napari_clip_denoise.formats.ome_zarr.resume import Manifest
from napari_clip_denoise.formats.publish import (
    is_own_unfinished_store,
    publish,
    remove,
    remove_left_overs,
    unfinished_name,
)


class Target(Protocol):
    """A place for a store."""

    @property
    def path(self) -> Path | str:
        """Final path, or URL without credentials."""
        ...

    @property
    def files(self) -> Files:
        """Files of the unfinished store."""
        ...

    @property
    def record(self) -> Record:
        """Record of what is finished in the store."""
        ...

    def connection(self) -> AbstractContextManager[None]:
        """Return a context whose errors of the network become an OutputError."""
        ...

    def errors(self) -> AbstractContextManager[None]:
        """Return a context whose errors of the disk or the network become an OutputError."""
        ...

    def publish(self) -> None:
        """Give the complete store its name, and remove the record."""
        ...

    def discard(self) -> None:
        """Remove what has been written."""
        ...


def open_target(
    path: Path | str, sources: set[Path], *, overwrite: bool, part: tuple[int, int] = (0, 1)
) -> Target:
    """Return the place for a store.

    Parameters
    ----------
    path : Path or str
        Final path or URL.
    sources : set of Path
        Files and stores that are read, which the store may not overlap.
    overwrite : bool
        Whether an existing store may be replaced.
    part : (int, int)
        ``(i, n)``: this process does part `i` of `n`, counted from 0.

    Raises
    ------
    OutputError
        If the store cannot be written there.
    """
    if url := as_url(path):
        from napari_clip_denoise.formats.ome_zarr.remote.target import RemoteTarget

        return RemoteTarget(url, overwrite=overwrite, part=part)
    path = Path(path)
    check_path(path, sources, overwrite=overwrite)
    return LocalTarget(path, overwrite=overwrite, part=part)


class LocalTarget:
    """A store on a disk, written beside its final path under a hidden name; see `Target`."""

    def __init__(self, path: Path, *, overwrite: bool, part: tuple[int, int]):
        self.path = path
        self.partial = unfinished_name(path)
        self.files = LocalFiles(self.partial.resolve())
        self.record = Manifest(self.partial, path, part)
        self._overwrite = overwrite

    def connection(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise an OutputError for errors of the disk."""
        try:
            yield
        except FileExistsError as error:
            raise OutputError(
                f"{self.path} appeared meanwhile; the result is kept as {self.partial}."
            ) from error
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error

    def publish(self) -> None:
        """Flush the store to the disk and rename it."""
        for left_by_a_killed_run in self.partial.rglob("*.partial"):
            left_by_a_killed_run.unlink()
        for name in (*ZARR_FILES, ".zattrs"):
            if (self.partial / name).exists():
                sync(self.partial / name)
        sync_folder(self.partial)
        if os.name == "nt":
            self.record.release()  # or its open files would keep the folder from being renamed
        with self.record.out_of_the_way():
            publish(self.partial, self.path, overwrite=self._overwrite)
            sync_folder(self.path.parent)
        remove_left_overs(self.path)

    def discard(self) -> None:
        """Remove the unfinished store."""
        if is_own_unfinished_store(self.partial):
            remove(self.partial)
