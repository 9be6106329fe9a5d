"""Detection of image formats from the name or the first bytes of a file."""

import re
from pathlib import Path

from napari_clip_denoise.credentials import without_credentials

ZARR_SUFFIXES = (".zarr",)
ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
PLANE_SUFFIXES = (".tif", ".tiff", ".png")
DICOM_PREAMBLE = 128
DICOM_START = b"DICM"
_URL = re.compile(r"(?:[a-z][a-z0-9+]+::)*[a-z][a-z0-9+]+:/+[^/].*")
_SLASHES = re.compile(r"(^|::)([a-z][a-z0-9+]+):/+")
_LOCAL = re.compile(r"\b(file|local)://")
_FIRST_ELEMENT = re.compile(rb"[\x02\x08]\x00.\x00(?:[A-Z]{2}|..\x00\x00)", re.DOTALL)


def as_url(path: str | Path) -> str | None:
    """Return the URL that a text or path stands for, even if `Path` has joined its slashes.

    fsspec's chains, such as ``zip://a.zarr::s3://bucket/a.zip``, are URLs as well.
    """
    text = path.as_posix() if isinstance(path, Path) else path
    if not _URL.fullmatch(text):
        return None
    return _LOCAL.sub(r"\1:///", _SLASHES.sub(r"\1\2://", text))


def as_place(path: str | Path) -> Path | str:
    """Return the URL that a text or path stands for, or else the path."""
    return as_url(path) or Path(path)


def shown_place(path: str | Path) -> str:
    """Return a path or URL for records and messages, without credentials."""
    url = as_url(path)
    return str(path) if url is None else without_credentials(url)


def is_zarr(path: Path) -> bool:
    """Return whether a path is a zarr store or array."""
    return path.suffix.lower() in ZARR_SUFFIXES or any((path / n).exists() for n in ZARR_FILES)


def is_folder_of_planes(path: Path) -> bool:
    """Return whether a path is a folder of TIFF or PNG files, which form a stack."""
    if not path.is_dir() or is_zarr(path):
        return False
    files = [file for file in path.iterdir() if not file.name.startswith(".") and file.is_file()]
    has_planes = any(file.name.lower().endswith(PLANE_SUFFIXES) for file in files)
    return has_planes and not any(map(looks_like_dicom, files))


def is_dicom(path: Path) -> bool:
    """Return whether to read a path as DICOM: a folder of neither a store nor planes, or a file."""
    if path.is_dir():
        return path.suffix.lower() not in ZARR_SUFFIXES and not is_folder_of_planes(path)
    return path.suffix.lower() in DICOM_SUFFIXES or looks_like_dicom(path)


def looks_like_dicom(path: Path) -> bool:
    """Return whether a file starts as DICOM does, with or without the preamble."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(DICOM_PREAMBLE + len(DICOM_START))
    except OSError:
        return False
    if start[DICOM_PREAMBLE:] == DICOM_START:
        return True
    suffix = path.suffix.lower()
    may_be_bare = suffix in ("", *DICOM_SUFFIXES) or suffix[1:].isdecimal()
    return may_be_bare and len(start) > DICOM_PREAMBLE and bool(_FIRST_ELEMENT.match(start))
