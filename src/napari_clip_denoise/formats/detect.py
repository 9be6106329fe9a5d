"""Which format a path has, told by its name or by how it begins."""

from pathlib import Path

ZARR_SUFFIXES = (".zarr",)
ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
DICOM_PREAMBLE = 128
DICOM_START = b"DICM"


def is_zarr(path: Path) -> bool:
    """Whether a path is to be read as zarr."""
    return path.suffix.lower() in ZARR_SUFFIXES or any((path / n).exists() for n in ZARR_FILES)


def is_dicom(path: Path) -> bool:
    """Whether a path is to be read as DICOM: a folder that is no zarr store, or a DICOM file."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return suffix not in ZARR_SUFFIXES
    return suffix in DICOM_SUFFIXES or looks_like_dicom(path)


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do, whatever its name."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(DICOM_PREAMBLE + len(DICOM_START))[DICOM_PREAMBLE:] == DICOM_START
    except OSError:
        return False
