"""Files behind a URL, through fsspec."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from zarr.storage import FsspecStore

from napari_clip_denoise.credentials import split_credentials, without_credentials
from napari_clip_denoise.errors import ClipDenoiseError, OutputError
from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.optional import from_extra


@dataclass(frozen=True)
class RemoteFiles:
    """Files below a URL; see `napari_clip_denoise.formats.ome_zarr.files.Files`.

    A file is written by a single request, so it is there as a whole or not at all, and its server
    keeps and checks its content. Only sizes are therefore compared when a run is resumed.

    Attributes
    ----------
    url : str
        The URL, perhaps with credentials.
    """

    url: str = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    @property
    def shown(self) -> str:
        """The URL without credentials."""
        return without_credentials(self.url)

    @property
    def store(self) -> FsspecStore:
        """The store as zarr takes it."""
        url, options = split_credentials(self.url)
        return FsspecStore.from_url(url, storage_options=options)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None."""
        try:
            content: bytes = self._fs.cat_file(self._at(name))
        except FileNotFoundError:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file as a whole."""
        self._fs.pipe_file(self._at(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one, and return whether it was written."""
        try:
            self._fs.pipe_file(self._at(name), content, mode="create")
        except FileExistsError:
            return False
        except OSError:
            if self.read(name) is not None:
                return False
            raise
        return True

    def make_room(self, names: Iterable[str]) -> None:
        """Do nothing; writing a file replaces it."""

    def keep(self, names: Iterable[str]) -> None:
        """Do nothing; what the server has taken it keeps."""

    def checksum(self, names: Iterable[str]) -> Checksum:
        """Return the total size of the files that exist, and 0."""
        self._fs.invalidate_cache()
        n_bytes = 0
        for name in names:
            with suppress(FileNotFoundError):
                n_bytes += int(self._fs.info(self._at(name))["size"])
        return n_bytes, 0

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        with suppress(FileNotFoundError):
            self._fs.rm(self._at(name), recursive=True)

    def remove_files(self, names: list[str]) -> None:
        """Remove files that exist."""
        if names:
            self._fs.rm([self._at(name) for name in names])

    def names(self, folder: str = "") -> list[str]:
        """Return the sorted names of all files in a folder."""
        self._fs.invalidate_cache()
        start = len(self._root) + 1
        try:
            found = self._fs.find(self._at(folder) if folder else self._root)
        except FileNotFoundError:
            return []
        return sorted(str(name)[start:] for name in found if not str(name).endswith("/"))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise an OutputError for whatever a server or its library raises."""
        try:
            yield
        except ClipDenoiseError:
            raise
        except Exception as error:  # each service has exceptions of its own
            raise OutputError(
                f"{self.shown} cannot be written ({type(error).__name__}: {error}); check the "
                "address, the credentials and the network, and run it again: it goes on where it "
                "stopped."
            ) from error

    @cached_property
    def _located(self) -> tuple[Any, str]:
        with from_extra("remote", "URLs"):
            from fsspec.core import url_to_fs
        url, options = split_credentials(self.url)
        fs, root = url_to_fs(url, **options)
        return fs, str(root).rstrip("/")

    @property
    def _fs(self) -> Any:
        return self._located[0]

    @property
    def _root(self) -> str:
        return self._located[1]

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"
