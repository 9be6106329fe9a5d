"""What an unfinished store knows: how it is made, which regions are done, who is at work."""

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
    """The folder ``.progress`` of an unfinished store.

    It holds the fingerprint of the run, for each share of the work a list of finished regions,
    and lock files. The locks are the operating system's, so they end with their process.

    Parameters
    ----------
    store : Path
        The unfinished store.
    path : Path
        Its final name, for messages.
    share : (int, int)
        This process does part `i` of `n`, counted from 0.
    """

    def __init__(self, store: Path, path: Path, share: tuple[int, int] = (0, 1)):
        self._store = store
        self._path = path
        self._folder = store / FOLDER
        self._own = "{}-of-{}".format(*share)
        self._n_shares = share[1]
        self._setup = self._lock_at("setup")
        self._finish = self._lock_at("finish")
        self._lock = self._lock_at(self._own)
        self._guard = threading.Lock()
        self._list: TextIO | None = None
        self._finished: dict[int, int] = {}

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Take this share until `release`; inside, no other share is set up or finished.

        Raises
        ------
        OutputError
            If another process works on it, or on another division of the store.
        """
        with self._alone():
            for file in self._folder.glob("*-of-*.lock"):
                if not file.stem.endswith(f"-of-{self._n_shares}") and _is_held(file):
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
        """Whether all regions of all shares are finished, and no other share makes them whole."""
        if not self._folder.exists():
            return False
        with ExitStack() as stack:
            try:
                stack.enter_context(self._alone())
            except FileNotFoundError:  # another share has just made the store whole, and moved it
                return False
            if self.fingerprint() is None:
                remove(self._store)  # moved, too: there is only what the lock has made anew
                return False
            if len(self._read()) < n_regions:
                return False
            try:
                self._finish.acquire(timeout=0)
            except Timeout:
                return False
            return True

    def others_at_work(self) -> bool:
        """Whether another share is being worked on."""
        files = self._folder.glob("*-of-*.lock")
        return any(_is_held(file) for file in files if file.stem != self._own)

    def fingerprint(self) -> dict[str, Any] | None:
        """What `begin` was told, or None where no run got that far."""
        try:
            return json.loads((self._folder / "fingerprint.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def clear(self) -> None:
        """Remove all of the store but the locks."""
        for file in self._store.iterdir():
            if file != self._folder:
                remove(file)
        for file in self._folder.iterdir():
            if file.suffix != ".lock":
                remove(file)

    def begin(self, fingerprint: dict[str, Any]) -> None:
        """Note that the store is set up, once it is."""
        partial = self._folder / "fingerprint.json.partial"
        partial.write_text(json.dumps(fingerprint))
        sync(partial)
        partial.replace(self._folder / "fingerprint.json")

    def open_list(self) -> None:
        """Read which regions are finished, and be ready to add to them."""
        self._finished = self._read()
        self._list = (self._folder / f"{self._own}.txt").open("a")
        self._list.write("\n")

    @property
    def is_empty(self) -> bool:
        """Whether no region was finished."""
        return not self._finished

    def size_of(self, region: int) -> int | None:
        """Bytes that a finished region had on the disk; None if it is not finished."""
        return self._finished.get(region)

    def add(self, region: int, n_bytes: int) -> None:
        """Note that a region is on the disk."""
        with self._guard:
            self._finished[region] = n_bytes
            assert self._list is not None
            self._list.write(f"{region} {n_bytes};\n")
            self._list.flush()
            os.fsync(self._list.fileno())

    def release(self) -> None:
        """Let others go on; what is finished stays noted."""
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
    """Say in a few words what differs between two fingerprints, or None if nothing does."""
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
