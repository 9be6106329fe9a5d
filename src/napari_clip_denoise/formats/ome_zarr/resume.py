"""Progress and locks of an unfinished store, for resumed and concurrent runs."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import remove, sync

FOLDER = ".progress"
SETUP_SECONDS = 60


class Manifest:
    """The ``.progress`` folder of an unfinished store.

    It contains the fingerprint of the run, a list of finished regions for each part of the work,
    and lock files. The locks belong to the operating system, so they are released when their
    process ends.

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
        self._own = "{}-of-{}".format(*part)
        self._n_parts = part[1]
        self._setup = self._lock_at("setup")
        self._finish = self._lock_at("finish")
        self._lock = self._lock_at(self._own)
        self._guard = threading.Lock()
        self._list: TextIO | None = None
        self._finished: dict[int, int] = {}

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock this part until `release`; within the context, no other part starts or finishes.

        Raises
        ------
        OutputError
            If another process works on the same part, or with another number of parts.
        """
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
        remove(self._store)
        return True

    def others_at_work(self) -> bool:
        """Return whether another part is in progress."""
        files = self._folder.glob("*-of-*.lock")
        return any(_is_held(file) for file in files if file.stem != self._own)

    def fingerprint(self) -> dict[str, Any] | None:
        """Return the fingerprint given to `begin`, or None if no run called it."""
        try:
            return json.loads((self._folder / "fingerprint.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def clear(self) -> None:
        """Remove everything in the store except the locks."""
        for file in self._store.iterdir():
            if file != self._folder:
                remove(file)
        for file in self._folder.iterdir():
            if file.suffix != ".lock":
                remove(file)

    def begin(self, fingerprint: dict[str, Any]) -> None:
        """Record the fingerprint, which marks the store as set up."""
        partial = self._folder / "fingerprint.json.partial"
        partial.write_text(json.dumps(fingerprint))
        sync(partial)
        partial.replace(self._folder / "fingerprint.json")

    def open_list(self) -> None:
        """Read the list of finished regions and open it for `add`."""
        self._finished = self._read()
        self._list = (self._folder / f"{self._own}.txt").open("a")
        self._list.write("\n")

    @property
    def is_empty(self) -> bool:
        """True if no region is finished."""
        return not self._finished

    def size_of(self, region: int) -> int | None:
        """Return the recorded size in bytes of a region, or None if it is not finished."""
        return self._finished.get(region)

    def add(self, region: int, n_bytes: int) -> None:
        """Record that a region is on disk, with its size in bytes."""
        with self._guard:
            self._finished[region] = n_bytes
            assert self._list is not None
            self._list.write(f"{region} {n_bytes};\n")
            self._list.flush()
            os.fsync(self._list.fileno())

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

    def _read(self) -> dict[int, int]:
        finished = {}
        for file in self._folder.glob("*-of-*.txt"):
            for line in file.read_text().splitlines():
                if line.endswith(";"):
                    region, n_bytes = line.removesuffix(";").split()
                    finished[int(region)] = int(n_bytes)
        return finished

    def _lock_at(self, name: str) -> FileLock:
        return FileLock(self._folder / f"{name}.lock", thread_local=False)

    def _busy(self) -> OutputError:
        return OutputError(
            f"Another run is writing {self._path}; wait until it is done, or give another name."
        )


def difference(then: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Describe the first difference between two fingerprints; None if they are equal."""
    now = json.loads(json.dumps(now))
    for key in {**now, **then}:
        if then.get(key) != now.get(key):
            return f"{key} {_short(then.get(key))} then, {_short(now.get(key))} now"
    return None


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_held(file: Path) -> bool:
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
