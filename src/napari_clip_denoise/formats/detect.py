"""Detection of image formats from the name or the first bytes of a file."""

from pathlib import Path

ZARR_SUFFIXES = (".zarr",)
ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
DICOM_PREAMBLE = 128
DICOM_START = b"DICM"


def is_zarr(path: Path) -> bool:
    """Return whether a path is a zarr store or array."""
    return path.suffix.lower() in ZARR_SUFFIXES or any((path / n).exists() for n in ZARR_FILES)


def is_dicom(path: Path) -> bool:
    """Return whether to read a path as DICOM: a folder other than a zarr store, or a DICOM file."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return suffix not in ZARR_SUFFIXES
    return suffix in DICOM_SUFFIXES or looks_like_dicom(path)


def looks_like_dicom(path: Path) -> bool:
    """Return whether a file starts with the DICOM preamble, whatever its name."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(DICOM_PREAMBLE + len(DICOM_START))[DICOM_PREAMBLE:] == DICOM_START
    except OSError:
        return False
