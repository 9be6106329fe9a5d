"""A store that is written behind a URL, where nothing can be renamed."""

from contextlib import AbstractContextManager
from typing import Any

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.ome_zarr.record import FOLDER
from napari_clip_denoise.formats.ome_zarr.remote.files import RemoteFiles
from napari_clip_denoise.formats.ome_zarr.remote.record import RemoteRecord
from napari_clip_denoise.formats.publish import (
    ATTRIBUTE_FILES,
    are_store_files,
    names_record,
    parse_own,
)


class RemoteTarget:
    """A place behind a URL; see `napari_clip_denoise.formats.ome_zarr.target.Target`.

    Everything is written to its final place, and the metadata that make it an image or a plate
    come last, so that half a store is never opened as a whole one.

    Raises
    ------
    OutputError
        If the store exists and may not be overwritten, or holds what this program has not written.
    """

    def __init__(self, url: str, *, overwrite: bool, part: tuple[int, int] = (0, 1)):
        self.files = RemoteFiles(url)
        self.path = self.files.shown
        self.record = RemoteRecord(self.files, part)
        check_url(url, overwrite=overwrite)

    def connection(self) -> AbstractContextManager[None]:
        """Return a context whose errors of the network become an OutputError."""
        return self.files.errors()

    def errors(self) -> AbstractContextManager[None]:
        """Return a context whose errors of the network become an OutputError."""
        return self.files.errors()

    def publish(self) -> None:
        """Remove the record of a store whose metadata are complete."""
        self.record.release()
        self.files.remove(FOLDER)

    def discard(self) -> None:
        """Remove what has been written, what names it as an image first."""
        names = self.files.names()
        if are_store_files(names):
            self.files.remove_files([name for name in names if name in ATTRIBUTE_FILES])
            self.files.remove_files([name for name in names if name not in ATTRIBUTE_FILES])


def is_complete(url: str) -> bool:
    """Return whether a complete store of this program is behind a URL."""
    files = RemoteFiles(url)
    with files.errors():
        own = (parse_own(files.read(name)) for name in ATTRIBUTE_FILES)
        return any(each.get("complete") for each in own if each is not None)


def check_url(url: str, *, overwrite: bool) -> None:
    """Check that a store can be written behind a URL, without writing anything.

    Raises
    ------
    InputError
        If the library for such URLs is missing.
    OutputError
        If a store is there that may not be overwritten, or something else is.
    """
    files = RemoteFiles(url)
    try:
        with files.errors():
            is_unfinished = files.read(f"{FOLDER}/fingerprint.json") is not None
            names = [] if is_unfinished else files.names()
            found = [parse_own(files.read(name)) for name in ATTRIBUTE_FILES if name in names]
    except OutputError as error:
        if isinstance(error.__cause__, (ImportError, ValueError)):
            raise InputError(
                f"{files.shown} cannot be opened ({error.__cause__}); install what is missing."
            ) from error
        raise
    rest = [name for name in names if not name.startswith(f"{FOLDER}/")]
    if not rest:
        return
    own = next((each for each in found if each is not None), None)
    if own is None or not _are_own(rest, own):
        raise OutputError(
            f"{files.shown} contains files that this program did not write; give another name."
        )
    if own.get("complete") and not overwrite:
        raise OutputError(f"{files.shown} already exists; give another name or allow overwriting.")


def _are_own(names: list[str], own: dict[str, Any]) -> bool:
    """Return whether the files of a store are those that it says it was made of."""
    if "n_files" in own:
        return names_record(names).items() <= own.items()
    return are_store_files(names)
