"""Locks behind a URL, which their owner has to renew."""

import json
import socket
import threading
import time
from uuid import uuid4

import psutil

from napari_clip_denoise.formats.ome_zarr.remote.files import RemoteFiles

BEAT_SECONDS = 20.0
STALE_SECONDS = 120.0
POLL_SECONDS = 0.5
SETTLING_SECONDS = 1.0


class RemoteLock:
    """A lock as a file that says who holds it and since when it was renewed.

    A lock that was not renewed for `STALE_SECONDS` counts as left behind, and so does that of a
    process of this machine that has ended. The clocks of machines that share a store may differ by
    less than that.

    Parameters
    ----------
    files : RemoteFiles
        Files of the store.
    name : str
        Name of the file of the lock.
    """

    def __init__(self, files: RemoteFiles, name: str):
        self._files = files
        self._name = name
        self._token = ""
        self._done = threading.Event()
        self._beats: threading.Thread | None = None
        self.is_lost = False

    @property
    def is_mine(self) -> bool:
        """True from `acquire` to `release`, unless another process has taken the lock over."""
        return bool(self._token) and not self.is_lost

    @property
    def is_held(self) -> bool:
        """True if another process or lock holds it."""
        content = self._files.read(self._name)
        return content is not None and not self._is_own(content) and not _is_stale(content)

    def acquire(self, timeout: float = 0) -> bool:
        """Take the lock, and renew it in a thread; return False if another process holds it.

        Parameters
        ----------
        timeout : float
            For how many seconds to try.
        """
        end = time.monotonic() + timeout
        while not self._take():
            if time.monotonic() >= end:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def release(self) -> None:
        """Release the lock, if it is held."""
        if not self._token:
            return
        self._done.set()
        if self._beats is not None:
            self._beats.join()
        content = self._files.read(self._name)
        if content is not None and self._is_own(content):
            self._files.remove(self._name)
        self._token = ""

    def _take(self) -> bool:
        self._token = uuid4().hex
        if not self._files.create(self._name, self._content()):
            content = self._files.read(self._name)
            if content is not None and not _is_stale(content):
                self._token = ""
                return False
            self._files.write(self._name, self._content())
            time.sleep(SETTLING_SECONDS)  # of two that take it over at once, the last one has it
            content = self._files.read(self._name)
            if content is None or not self._is_own(content):
                self._token = ""
                return False
        self.is_lost = False
        self._done.clear()
        self._beats = threading.Thread(target=self._renew, daemon=True)
        self._beats.start()
        return True

    def _renew(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            try:
                content = self._files.read(self._name)
                if content is None or not self._is_own(content):
                    self.is_lost = True
                    return
                self._files.write(self._name, self._content())
            except Exception:  # the network may be back at the next beat
                continue

    def _content(self) -> bytes:
        process = psutil.Process()
        owner = {
            "token": self._token,
            "host": socket.gethostname(),
            "process": process.pid,
            "started": process.create_time(),
            "renewed": time.time(),
        }
        return json.dumps(owner).encode()

    def _is_own(self, content: bytes) -> bool:
        return bool(self._token) and _parsed(content).get("token") == self._token


def _is_stale(content: bytes) -> bool:
    owner = _parsed(content)
    if time.time() - owner.get("renewed", 0) > STALE_SECONDS:
        return True
    if owner.get("host") != socket.gethostname():
        return False
    try:
        return bool(psutil.Process(owner["process"]).create_time() != owner["started"])
    except psutil.NoSuchProcess:
        return True


def _parsed(content: bytes) -> dict:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
