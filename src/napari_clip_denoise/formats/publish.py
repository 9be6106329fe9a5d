"""Names of unfinished outputs, their locks, and the last step that puts an output in place.

Nothing that this program has not written is ever removed: neither a folder that holds other
things, nor what a link points to.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.detect import ZARR_FILES

OWN_KEY = "napari_clip_denoise"
"""Key of the attributes of a store that say how this program made it."""
ATTRIBUTE_FILES = ("zarr.json", ".zattrs")
"""Files at the top of a store that hold its attributes."""
_METADATA = (*ZARR_FILES, ".zattrs")
SOFTWARE = "napari-clip-denoise"
LONGEST_NAME = 255
TOKEN_BYTES = 4
LONGEST_ENDING = 32
TOKEN = f"[0-9a-f]{{{2 * TOKEN_BYTES}}}"
DICOM_HEADER_BYTES = 2**22
_STORE_FILES = re.compile(
    r"(\d+/)?(zarr\.json|\.zgroup|\.zattrs|\.zarray)"
    r"|(\d+/)?(zarr|\.zgroup|\.zattrs|\.zarray)\.[0-9a-f]+\.partial"
    r"|\d+/(c/)?(\d+/)*\d+(\.[0-9a-f]+\.partial)?"
    r"|\.progress/([^/]+|done/[^/]+/[^/]+)"
)
_NESTED = re.compile(
    rf"([^/]+/){{0,3}}({_STORE_FILES.pattern})|([^/]+/){{0,3}}(labels|tables|OME)/.+"
)
_SERIES_FILES = re.compile(r"\d{4,}\.dcm")


def unfinished_name(path: Path, token: str = "") -> Path:
    """Return the hidden path of an unfinished output, in the same folder.

    Parameters
    ----------
    path : Path
        Final path.
    token : str
        Distinguishes runs; without one, all runs get the same path.
    """
    ending = f".{token}.partial" if token else ".partial"
    return path.with_name(_fitting(path.name, ending))


def new_token() -> str:
    """Return a random token for the name of an unfinished output."""
    return secrets.token_hex(TOKEN_BYTES)


class OutputLock:
    """A lock on a final path, held while a run writes to it; it ends with its process.

    Parameters
    ----------
    path : Path
        Final path.

    Raises
    ------
    OutputError
        If another run holds the lock, or it cannot be made.
    """

    def __init__(self, path: Path):
        self._file = path.with_name(_fitting(path.name, ".lock"))
        self._lock = FileLock(self._file, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"Another run is writing {path}; wait until it is done, or give another name."
            ) from error
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {error.strerror}; choose another place."
            ) from error

    def release(self) -> None:
        """Release the lock and remove its file."""
        if self._lock.is_locked:
            if os.name != "nt":
                self._file.unlink(missing_ok=True)
            self._lock.release()
            if os.name == "nt":
                self._file.unlink(missing_ok=True)


def remove_left_overs(path: Path) -> None:
    """Remove what killed runs have left beside an output whose lock is held."""
    pattern = f"{re.escape(_fitting(path.name, ''))}\\.{TOKEN}\\.(partial|old)"
    for found in path.parent.iterdir():
        if re.fullmatch(pattern, found.name) and (found.is_file() or is_own_folder(found)):
            remove(found)


def publish(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give a complete output its final name; an old one stays there until this moment.

    Parameters
    ----------
    partial : Path
        The complete output.
    path : Path
        Its final path.
    overwrite : bool
        Whether to replace an output that is there.

    Raises
    ------
    FileExistsError
        If an output is there that may not be replaced; `partial` is left as it is.
    OSError
        If the output cannot be renamed.
    """
    old = None
    if partial.is_file() and not path.is_dir():
        if overwrite:
            partial.replace(path)
        else:
            _rename_to_new(partial, path)
        return
    if path.exists() or path.is_symlink():
        if not overwrite or not is_replaceable(path):
            raise FileExistsError(path)
        old = path.with_name(_fitting(path.name, f".{new_token()}.old"))
        path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        if old is not None:
            old.rename(path)
        raise
    if old is not None:
        with contextlib.suppress(OSError):  # the new one is in place; the next run removes the old
            remove(old)


def is_replaceable(path: Path) -> bool:
    """Return whether an output may be replaced: any file, but only folders of this program."""
    if path.is_symlink():
        return is_replaceable(path.resolve()) if path.exists() else True
    return is_own_folder(path) if path.is_dir() else path.is_file()


def is_own_folder(folder: Path) -> bool:
    """Return whether a folder is a store or DICOM series of this program, and nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    files = [file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()]
    names = [file.relative_to(folder).as_posix() for file in files]
    if any(file.is_symlink() or not file.is_file() for file in files):
        return False
    if files and all(map(_SERIES_FILES.fullmatch, names)):
        return all(map(_names_this_software, files))
    own = own_attributes(folder)
    if own is not None and names_record(names).items() <= own.items():
        return True
    return all(map(_STORE_FILES.fullmatch, names)) and (own is not None or not files)


def names_record(names: Iterable[str]) -> dict[str, Any]:
    """Return what a store of many images records of its files, to know later that they are its own.

    Parameters
    ----------
    names : iterable of str
        Names of all files of the store; those of the metadata of the store itself do not count.
    """
    inside = sorted(set(names) - set(_METADATA))
    return {"n_files": len(inside), "names_crc32": zlib.crc32("\n".join(inside).encode())}


def are_store_files(names: Iterable[str]) -> bool:
    """Return whether files have only such names as those of an image or a plate have."""
    return all(map(_NESTED.fullmatch, names))


def is_own_unfinished_store(folder: Path) -> bool:
    """Return whether a folder is empty, or holds only what an unfinished store consists of."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    inside = list(folder.rglob("*"))
    if any(file.is_symlink() for file in inside):
        return False
    files = [file.relative_to(folder).as_posix() for file in inside if not file.is_dir()]
    return are_store_files(files) and (not inside or (folder / ".progress").is_dir())


def remove(path: Path) -> None:
    """Remove a file, link or folder if it exists; what a link points to stays.

    The file that says whose store a folder is goes last, so that a removal that was cut short can
    be completed by the next run.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for inside in sorted(path.iterdir(), key=lambda each: each.name in ATTRIBUTE_FILES):
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside)
        else:
            inside.unlink(missing_ok=True)
    path.rmdir()


def check_name(path: Path) -> None:
    """Check that a file system can hold the name of an output.

    Raises
    ------
    OutputError
        If it cannot.
    """
    n_bytes = len(os.fsencode(path.name))
    if n_bytes > LONGEST_NAME or "\0" in path.name:
        raise OutputError(
            f"The name {path.name[:40]}… has {n_bytes} bytes, and {LONGEST_NAME} are the most that "
            "a file may have; give a shorter one."
        )


def _fitting(name: str, ending: str) -> str:
    """Return a hidden name that starts as `name`, ends as told and is short enough."""
    start = f".{name}"
    if len(os.fsencode(start)) > LONGEST_NAME - LONGEST_ENDING:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[: 2 * TOKEN_BYTES]
        while len(os.fsencode(start)) > LONGEST_NAME - LONGEST_ENDING - len(digest):
            start = start[:-1]
        start += digest
    return start + ending


def _rename_to_new(partial: Path, path: Path) -> None:
    """Rename a file, or raise FileExistsError if the new name is taken."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        partial.rename(path)
    else:
        partial.unlink()


def is_own_store(folder: Path) -> bool:
    """Return whether a folder is a store that says that this program has made it."""
    return own_attributes(folder) is not None


def own_attributes(folder: Path) -> dict[str, Any] | None:
    """Return what the attributes of a store say of how this program made it; None if nothing."""
    for name in _METADATA:
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        if (own := parse_own(content)) is not None:
            return own
    return None


def parse_own(content: bytes | None) -> dict[str, Any] | None:
    """Return what the content of a metadata file says of how this program made the store."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    attributes = found.get("attributes", found)
    if not isinstance(attributes, dict) or OWN_KEY not in attributes:
        return None
    own = attributes[OWN_KEY]
    return own if isinstance(own, dict) else {}


def _names_this_software(file: Path) -> bool:
    with file.open("rb") as opened:
        return SOFTWARE.encode() in opened.read(DICOM_HEADER_BYTES)
