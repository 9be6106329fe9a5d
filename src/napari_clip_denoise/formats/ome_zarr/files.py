"""The files of a store that is being written, on a disk or behind a URL."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zarr.storage import LocalStore

from napari_clip_denoise.formats.base import sync, sync_folder
from napari_clip_denoise.formats.publish import remove

Checksum = tuple[int, int]
"""Size in bytes and CRC-32 of stored files; the CRC-32 is 0 where only sizes are compared."""


class Files(Protocol):
    """Files by their names, which are relative to the store and joined by slashes.

    Objects can be pickled, and sent to other processes.
    """

    @property
    def store(self) -> Any:
        """The store as zarr takes it, to be written."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is none of this name."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file as a whole, in place of one that is there."""
        ...

    def make_room(self, names: Iterable[str]) -> None:
        """Remove files that are about to be written anew, where a left-over might stay."""
        ...

    def keep(self, names: Iterable[str]) -> None:
        """Make sure that files outlast a loss of power."""
        ...

    def checksum(self, names: Iterable[str]) -> Checksum:
        """Return the checksum of those of the files that exist, one after the other."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens if there is none."""
        ...

    def names(self, folder: str = "") -> list[str]:
        """Return the sorted names of all files in a folder and the folders in it."""
        ...


@dataclass(frozen=True)
class LocalFiles:
    """Files in a folder on a disk; see `Files`.

    Attributes
    ----------
    root : Path
        The folder.
    """

    root: Path

    @property
    def store(self) -> LocalStore:
        """The store as zarr takes it."""
        return LocalStore(self.root)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file that has its name only once it is whole and on the disk."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.partial")
        partial.write_bytes(content)
        sync(partial)
        partial.replace(file)
        sync_folder(file.parent)

    def make_room(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            (self.root / name).unlink(missing_ok=True)

    def keep(self, names: Iterable[str]) -> None:
        """Flush those of the files that exist to the disk."""
        for name in names:
            if (self.root / name).exists():
                sync(self.root / name)

    def checksum(self, names: Iterable[str]) -> Checksum:
        """Return the size and the CRC-32 of the contents."""
        n_bytes = crc = 0
        for name in names:
            content = self.read(name)
            if content is not None:
                n_bytes += len(content)
                crc = zlib.crc32(content, crc)
        return n_bytes, crc

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        remove(self.root / name)

    def names(self, folder: str = "") -> list[str]:
        """Return the sorted names of all files in a folder."""
        inside = (self.root / folder).rglob("*")
        return sorted(f.relative_to(self.root).as_posix() for f in inside if not f.is_dir())
