"""The record of what is finished in a store behind a URL."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.formats.ome_zarr.record import (
    FOLDER,
    fingerprint_name,
    format_fingerprint,
    format_region,
    parse_fingerprint,
)
from napari_clip_denoise.formats.ome_zarr.remote.files import RemoteFiles
from napari_clip_denoise.formats.ome_zarr.remote.lock import RemoteLock
from napari_clip_denoise.formats.publish import ATTRIBUTE_FILES, are_store_files

SETUP_SECONDS = 60
DONE = f"{FOLDER}/done"
_REGION = re.compile(r"(\d{1,15})-(\d{1,18})-([0-9a-f]{8})")


class RemoteRecord:
    """A record in the folder ``.progress`` of a store behind a URL.

    Nothing can be appended to a file there, so each finished region is a small file whose name
    holds its number and checksum; a single listing reads them all.

    Parameters
    ----------
    files : RemoteFiles
        Files of the store.
    part : (int, int)
        ``(i, n)``: this process does part `i` of `n`, counted from 0.
    """

    def __init__(self, files: RemoteFiles, part: tuple[int, int] = (0, 1)):
        self._files = files
        self._own = "{}-of-{}".format(*part)
        self._n_parts = part[1]
        self._setup = self._lock("setup")
        self._finish = self._lock("finish")
        self._part = self._lock(self._own)
        self._guard = threading.Lock()
        self._finished: dict[int, Checksum] = {}

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock this part until `release`; within the context, no other part starts or finishes.

        Raises
        ------
        OutputError
            If another process works on the same part, or with another number of parts.
        """
        with self._alone():
            others = [name for name in self._locks() if not name.endswith(f"-of-{self._n_parts}")]
            if any(self._lock(name).is_held for name in others) or not self._part.acquire():
                raise self._busy()
            try:
                yield
            except BaseException:
                self.release()
                raise

    def may_finish(self, n_regions: int) -> bool:
        """Return whether all regions are finished and no other part is completing the store.

        If so, this also locks the completion of the store.
        """
        with self._alone():
            if self.fingerprint() is None or len(self._read()) < n_regions:
                return False
            return self._finish.acquire()

    def others_at_work(self) -> bool:
        """Return whether another part is in progress."""
        return any(self._lock(name).is_held for name in self._locks() if name != self._own)

    def fingerprint(self, image: str = "") -> dict[str, Any] | None:
        """Return the fingerprint given to `begin`, or None if there is no undamaged one."""
        return parse_fingerprint(self._files.read(f"{FOLDER}/{fingerprint_name(image)}"))

    def begin(self, fingerprint: dict[str, Any], image: str = "") -> None:
        """Record the fingerprint, which marks the store or an image in it as set up."""
        content = format_fingerprint(fingerprint)
        self._files.write(f"{FOLDER}/{fingerprint_name(image)}", content)

    def clear(self) -> None:
        """Remove everything in the store except the locks, what names it as an image first.

        Raises
        ------
        OutputError
            If the store holds what this program has not written.
        """
        names = self._files.names()
        if not are_store_files(names):
            raise OutputError(
                f"{self._files.shown} contains files that this program did not write; move them "
                "away, or give the result another name."
            )
        self._files.remove_files([name for name in names if name in ATTRIBUTE_FILES])
        is_kept = re.compile(rf"{re.escape(FOLDER)}/[^/]+\.lock")
        rest = [name for name in names if name not in ATTRIBUTE_FILES]
        self._files.remove_files([name for name in rest if not is_kept.fullmatch(name)])

    def open_list(self) -> None:
        """Read which regions are finished."""
        self._finished = self._read()

    @property
    def is_empty(self) -> bool:
        """True if no region is finished."""
        return not self._finished

    def finished(self) -> dict[int, Checksum]:
        """Return the checksum of each finished region of all parts."""
        return dict(self._finished)

    def is_finished(self, region: int) -> bool:
        """Return whether a region is finished."""
        return region in self._finished

    def add(self, region: int, checksum: Checksum) -> None:
        """Record that a region is stored, with its checksum.

        Raises
        ------
        OutputError
            If another process has taken over, because this one could not renew its lock.
        """
        if not self._part.is_mine:
            raise self._busy()
        self._files.write(self._file(region, checksum), format_region(region, checksum).encode())
        with self._guard:
            self._finished[region] = checksum

    def forget(self, regions: set[int]) -> None:
        """Let damaged regions be done again."""
        if not regions:
            return
        there = [name for name in self._files.names(DONE) if _number(name) in regions]
        self._files.remove_files(there)
        for region in regions:
            self._finished.pop(region, None)

    def release(self) -> None:
        """Release the locks; the record of finished regions remains."""
        self._finish.release()
        self._part.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._setup.acquire(SETUP_SECONDS):
            raise self._busy()
        try:
            yield
        finally:
            self._setup.release()

    def _read(self) -> dict[int, Checksum]:
        found = map(_parsed, self._files.names(DONE))
        return {region: checksum for region, checksum in found if region >= 0}

    def _file(self, region: int, checksum: Checksum) -> str:
        return f"{DONE}/{self._own}/{region}-{checksum[0]}-{checksum[1]:08x}"

    def _lock(self, name: str) -> RemoteLock:
        return RemoteLock(self._files, f"{FOLDER}/{name}.lock")

    def _locks(self) -> list[str]:
        """Return the names of the locks of parts."""
        found = (name.removeprefix(f"{FOLDER}/") for name in self._files.names(FOLDER))
        return [
            name.removesuffix(".lock") for name in found if re.fullmatch(r"\d+-of-\d+\.lock", name)
        ]

    def _busy(self) -> OutputError:
        return OutputError(
            f"Another run is writing {self._files.shown}; wait until it is done, or give another "
            "name. If it was killed on another machine, try again in two minutes."
        )


def _parsed(name: str) -> tuple[int, Checksum]:
    match = _REGION.fullmatch(name.rpartition("/")[2])
    return (int(match[1]), (int(match[2]), int(match[3], 16))) if match else (-1, (0, 0))


def _number(name: str) -> int:
    return _parsed(name)[0]
