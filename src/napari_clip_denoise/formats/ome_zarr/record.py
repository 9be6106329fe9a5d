"""The record of what is finished in a store, wherever it is kept."""

import json
import re
import zlib
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import quote

from napari_clip_denoise.formats.ome_zarr.files import Checksum

FOLDER = ".progress"
CHECKSUM = "crc32"
_LINE = re.compile(r"(\d{1,15}) (\d{1,18}) ([0-9a-f]{8});")


class Record(Protocol):
    """Fingerprints and finished regions of an unfinished store, and locks on its parts."""

    def claimed(self) -> AbstractContextManager[None]:
        """Lock this part until `release`; within the context, no other part starts or finishes."""
        ...

    def may_finish(self, n_regions: int) -> bool:
        """Return whether all regions are finished and no other part is completing the store."""
        ...

    def others_at_work(self) -> bool:
        """Return whether another part is in progress."""
        ...

    def fingerprint(self, image: str = "") -> dict[str, Any] | None:
        """Return the fingerprint of the store or an image in it; None if there is none."""
        ...

    def begin(self, fingerprint: dict[str, Any], image: str = "") -> None:
        """Record a fingerprint, which marks the store or the image as set up."""
        ...

    def clear(self) -> None:
        """Remove everything in the store except the locks."""
        ...

    def open_list(self) -> None:
        """Read the list of finished regions, and prepare for `add`."""
        ...

    @property
    def is_empty(self) -> bool:
        """True if no region is finished."""
        ...

    def finished(self) -> dict[int, Checksum]:
        """Return the checksum of each finished region of all parts."""
        ...

    def is_finished(self, region: int) -> bool:
        """Return whether a region is finished."""
        ...

    def add(self, region: int, checksum: Checksum) -> None:
        """Record that a region is stored, with its checksum."""
        ...

    def forget(self, regions: set[int]) -> None:
        """Let regions be done again."""
        ...

    def release(self) -> None:
        """Release the locks; the list of finished regions remains."""
        ...


def fingerprint_name(image: str) -> str:
    """Return the name of the file with the fingerprint of an image, or of the store for ``""``."""
    return f"{quote(image, safe='') or 'fingerprint'}.json"


def format_fingerprint(fingerprint: dict[str, Any]) -> bytes:
    """Return a fingerprint as text, with a checksum of it."""
    return json.dumps({**fingerprint, CHECKSUM: _checksum(fingerprint)}).encode()


def parse_fingerprint(content: bytes | None) -> dict[str, Any] | None:
    """Return a fingerprint, or None if it is missing or damaged."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    checksum = found.pop(CHECKSUM, None)
    return found if checksum in (None, _checksum(found)) else None


def format_region(region: int, checksum: Checksum) -> str:
    """Return the line that records a finished region."""
    return f"{region} {checksum[0]} {checksum[1]:08x};"


def parse_regions(text: str) -> dict[int, Checksum]:
    """Return the recorded regions; lines that are damaged count as unfinished."""
    finished = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            finished[int(match[1])] = int(match[2]), int(match[3], 16)
    return finished


def _checksum(fingerprint: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(fingerprint, sort_keys=True).encode())


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
