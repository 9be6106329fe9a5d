"""Files of a package, which is a ``.zip`` or a folder."""

import hashlib
import re
import zipfile
import zlib
from pathlib import Path

from napari_clip_denoise.errors import ModelError

ZIP = ".zip"
DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")
"""Names of the file with the description of a package."""


def is_package(path: Path) -> bool:
    """Return whether a path may be that of a package: it ends in .zip or holds a description."""
    return path.suffix.lower() == ZIP or any((path / name).is_file() for name in DESCRIPTIONS)


def check_package(path: Path) -> None:
    """Check that a package is there, and that a ``.zip`` is one.

    Raises
    ------
    ModelError
        If not.
    """
    if not path.exists():
        raise ModelError(f"There is no model file {path}.")
    if path.is_dir():
        return
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is damaged or not a .zip; get the package again.")
    with _opened(path) as archive:
        if not set(archive.namelist()) & set(DESCRIPTIONS):
            raise ModelError(
                f"{path} holds no {' or '.join(DESCRIPTIONS)}, so it is not a package of the "
                "BioImage Model Zoo."
            )


def read_file(path: Path, name: str) -> bytes:
    """Read a file of a package.

    Parameters
    ----------
    path : Path
        The package.
    name : str
        Path of the file in it.

    Raises
    ------
    ModelError
        If it is missing, damaged, or not in the package.
    """
    try:
        if path.is_dir():
            file = (path / name).resolve()
            if not file.is_relative_to(path.resolve()):
                raise ModelError(f"{path} refers to {name}, which is not in it; get another one.")
            return file.read_bytes()
        with _opened(path) as archive:
            return archive.read(name)
    except (KeyError, FileNotFoundError) as error:
        raise ModelError(f"{path} lacks its file {name}; get the package again.") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ModelError(f"{name} in {path} cannot be read; get the package again.") from error


def record_path(package: Path) -> Path:
    """Return the path of what is kept beside a package in the user's folder, see `Record`."""
    return package.with_name(f"{package.name}.json")


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def stem(path: Path) -> str:
    """Return the name of a package's file or folder as one that a model can have."""
    name = path.resolve().name
    name = name[: -len(ZIP)] if name.lower().endswith(ZIP) else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-") or "package"


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is damaged or not a .zip; get the package again.") from error
