"""Progress and locks of an unfinished store, for resumed and concurrent runs."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import sync, sync_folder
from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.formats.ome_zarr.record import (
    FOLDER,
    fingerprint_name,
    format_fingerprint,
    format_region,
    parse_fingerprint,
    parse_regions,
)
from napari_clip_denoise.formats.publish import is_own_unfinished_store, remove

OWN_SUFFIXES = (".lock", ".txt", ".json", ".partial")
SETUP_SECONDS = 60


class Manifest:
    """The ``.progress`` folder of an unfinished store.

    It contains the fingerprint of the run, a list of finished regions with their checksums for
    each part of the work, and lock files. The locks belong to the operating system, so they are
    released when their process ends.

    Parameters
    ----------
    store : Path
        The unfinished store.
    path : Path
        Its final path, for messages.
    part : (int, int)
        ``(i, n)``: this process does part `i` of `n`, counted from 0.
    """

    def __init__(self, store: Path, path: Path, part: tuple[int, int] = (0, 1)):
        self._store = store
        self._path = path
        self._folder = store / FOLDER
        self._aside = store.with_name(f"{store.name}{FOLDER}")
        self._own = "{}-of-{}".format(*part)
        self._n_parts = part[1]
        self._setup = self._lock_at("setup")
        self._finish = self._lock_at("finish")
        self._lock = self._lock_at(self._own)
        self._guard = threading.Lock()
        self._list: TextIO | None = None
        self._finished: dict[int, Checksum] = {}

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock this part until `release`; within the context, no other part starts or finishes.

        Raises
        ------
        OutputError
            If another process works on the same part, or with another number of parts, or the
            store holds what this program has not written.
        """
        self._prepare()
        with self._alone():
            for file in self._folder.glob("*-of-*.lock"):
                if not file.stem.endswith(f"-of-{self._n_parts}") and _is_held(file):
                    raise self._busy()
            try:
                self._lock.acquire(timeout=0)
            except Timeout as error:
                raise self._busy() from error
            try:
                yield
            except BaseException:
                self.release()
                raise

    def may_finish(self, n_regions: int) -> bool:
        """Return whether all regions are finished and no other part is completing the store.

        If so, this also locks the completion of the store.
        """
        if not self._folder.exists():
            return False
        with ExitStack() as stack:
            try:
                stack.enter_context(self._alone())
                if self._was_moved() or len(self._read()) < n_regions:
                    return False
                self._finish.acquire(timeout=0)
            except (FileNotFoundError, Timeout):  # another part completes the store, or has done so
                return False
            if self._was_moved():
                self._finish.release()
                return False
            return True

    def _was_moved(self) -> bool:
        """Return whether the completed store has gone; removes the folder that a lock remade."""
        if self.fingerprint() is not None:
            return False
        if all(file.parent == self._folder for file in self._store.rglob("*") if file.is_file()):
            remove(self._store)
        return True

    def others_at_work(self) -> bool:
        """Return whether another part is in progress."""
        files = self._folder.glob("*-of-*.lock")
        return any(_is_held(file) for file in files if file.stem != self._own)

    def fingerprint(self, image: str = "") -> dict[str, Any] | None:
        """Return the fingerprint given to `begin`, or None if there is no undamaged one."""
        try:
            return parse_fingerprint((self._folder / fingerprint_name(image)).read_bytes())
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """Remove everything in the store except the locks.

        Raises
        ------
        OutputError
            If the store holds what this program has not written.
        """
        if not is_own_unfinished_store(self._store):
            raise self._foreign()
        for file in self._store.iterdir():
            if file != self._folder:
                remove(file)
        for file in self._folder.iterdir():
            if file.suffix != ".lock":
                remove(file)

    def begin(self, fingerprint: dict[str, Any], image: str = "") -> None:
        """Record the fingerprint, which marks the store or an image in it as set up."""
        file = self._folder / fingerprint_name(image)
        partial = file.with_name(f"{file.name}.partial")
        partial.write_bytes(format_fingerprint(fingerprint))
        sync(partial)
        partial.replace(file)
        sync_folder(self._folder)

    @contextmanager
    def out_of_the_way(self) -> Iterator[None]:
        """Move the folder out of the store, so that the completed store has its final content.

        If a run is killed within the context, the next one moves it back.
        """
        self._folder.rename(self._aside)
        try:
            yield
        except BaseException:
            if self._store.exists():
                self._aside.rename(self._folder)
            raise
        self.release()
        remove(self._aside)

    def open_list(self) -> None:
        """Read the list of finished regions and open it for `add`."""
        self._finished = self._read()
        self._list = (self._folder / f"{self._own}.txt").open("a")
        self._list.write("\n")

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
        """Record that a region is on disk, with its checksum."""
        with self._guard:
            self._finished[region] = checksum
            assert self._list is not None
            self._list.write(f"{format_region(region, checksum)}\n")
            self._list.flush()
            os.fsync(self._list.fileno())

    def forget(self, regions: set[int]) -> None:
        """Remove damaged regions from the lists of all parts that nobody works on."""
        if not regions:
            return
        for file in self._folder.glob("*-of-*.txt"):
            lock = file.with_suffix(".lock")
            if file.stem != self._own and lock.exists() and _is_held(lock):
                continue
            kept = {k: v for k, v in _read_list(file).items() if k not in regions}
            partial = file.with_suffix(".partial")
            partial.write_text("".join(f"{format_region(k, v)}\n" for k, v in kept.items()))
            sync(partial)
            if file.stem == self._own and self._list is not None:
                self._list.close()
                partial.replace(file)
                self._list = file.open("a")
            else:
                partial.replace(file)
        for region in regions:
            self._finished.pop(region, None)

    def release(self) -> None:
        """Release the locks; the list of finished regions remains."""
        if self._list is not None:
            self._list.close()
            self._list = None
        self._finish.release()
        self._lock.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._setup.acquire(timeout=SETUP_SECONDS)
        except Timeout as error:
            raise self._busy() from error
        try:
            yield
        finally:
            self._setup.release()

    def _prepare(self) -> None:
        """Make the folder; move it back to where a run that was killed has taken it from.

        Raises
        ------
        OutputError
            If something else is there, such as a link.
        """
        if self._store.is_symlink() or self._folder.is_symlink() or self._aside.is_symlink():
            raise self._foreign()
        if self._aside.is_dir():
            if any(map(_is_held, self._aside.glob("*.lock"))):
                raise self._busy()
            if self._store.is_dir() and not self._folder.exists():
                self._aside.rename(self._folder)
            elif all(file.suffix in OWN_SUFFIXES for file in self._aside.iterdir()):
                remove(self._aside)
        is_new = not self._store.exists() or self._folder.is_dir()
        if not is_new and not (self._store.is_dir() and not any(self._store.iterdir())):
            raise self._foreign()
        self._folder.mkdir(parents=True, exist_ok=True)

    def _read(self) -> dict[int, Checksum]:
        finished = {}
        for file in sorted(self._folder.glob("*-of-*.txt")):
            finished.update(_read_list(file))
        return finished

    def _lock_at(self, name: str) -> FileLock:
        return FileLock(self._folder / f"{name}.lock", thread_local=False)

    def _busy(self) -> OutputError:
        return OutputError(
            f"Another run is writing {self._path}; wait until it is done, or give another name."
        )

    def _foreign(self) -> OutputError:
        return OutputError(
            f"{self._store} contains files that this program did not write; move them away, or "
            "give the result another name."
        )


def _read_list(file: Path) -> dict[int, Checksum]:
    return parse_regions(file.read_text(errors="replace"))


def _is_held(file: Path) -> bool:
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
