"""Discovery of images in files, folders and patterns."""

from collections.abc import Iterable
from glob import has_magic
from pathlib import Path

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import (
    DICOM_SUFFIXES,
    ZARR_SUFFIXES,
    is_dicom,
    is_zarr,
    looks_like_dicom,
)
from napari_clip_denoise.formats.table import SUFFIXES

ANY = "*"
OTHER_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in DICOM_SUFFIXES)


def find_sources(
    inputs: Iterable[str | Path], pattern: str = ANY, *, results: str | Path | None = None
) -> list[Path]:
    """Find all images among files, folders and glob patterns.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files, stores, folders or glob patterns such as ``data/*.tif``. A folder that contains
        only DICOM files is one image; any other folder is searched for images.
    pattern : str
        File names to select from folders, such as ``*.tif``; ``**/*.tif`` also searches their
        subfolders.
    results : str or Path, optional
        Folder of the results. Where it lies within a folder that is searched, it is left out.

    Returns
    -------
    list of Path
        Unique paths in the order of `inputs`, sorted within each folder. A DICOM series of which
        several files are found is listed once, by the first of them.

    Raises
    ------
    InputError
        If an input does not exist, or no image is found.
    """
    inputs = list(inputs)
    found: dict[Path, None] = {}
    for item in inputs:
        path = Path(item)
        if is_searched(path):
            if pattern == ANY and _holds_dicom(path):
                raise InputError(
                    f"The folder {path} holds DICOM files among other images; give a file of the "
                    "series, or a pattern such as *.tif for the others."
                )
            matches = _without(_listed(path, pattern), path, results)
        elif path.exists():
            matches = [path]
        elif is_pattern(path):
            root, inside = split_pattern(path)
            matches = _without(_listed(root, inside), root, results)
        else:
            raise InputError(f"There is no file or folder {path}.")
        found.update(dict.fromkeys(matches))
    if not found:
        raise InputError(
            f"No image was found in {', '.join(map(str, inputs))} that fits '{pattern}'; give "
            "another folder or pattern."
        )
    return _each_series_once(list(found))


def is_searched(item: str | Path) -> bool:
    """Return whether an input is a folder that is searched for images, not an image itself."""
    path = Path(item)
    return path.is_dir() and not (is_zarr(path) or _is_image(path))


def is_pattern(item: str | Path) -> bool:
    """Return whether an input is a pattern of names, not a path that exists."""
    return has_magic(str(item)) and not Path(item).exists()


def split_pattern(path: Path) -> tuple[Path, str]:
    """Split a pattern into the folder before its first magic part, and the rest."""
    n_plain = next((i for i, part in enumerate(path.parts) if has_magic(part)), len(path.parts))
    return Path(*path.parts[:n_plain]), "/".join(path.parts[n_plain:])


def _without(paths: list[Path], folder: Path, results: str | Path | None) -> list[Path]:
    """Leave out what lies in the folder of results, if that is inside the searched folder."""
    if results is None:
        return paths
    inner = Path(results).resolve()
    if folder.resolve() not in inner.parents:
        return paths
    return [path for path in paths if inner not in (path.resolve(), *path.resolve().parents)]


def _each_series_once(paths: list[Path]) -> list[Path]:
    """Leave out all but the first of the files of each DICOM series in a folder."""
    kept, seen = [], set()
    for path in paths:
        series = _series_of(path) if path.is_file() and is_dicom(path) else None
        key = (path.resolve().parent, series)
        if series is None or key not in seen:
            kept.append(path)
        seen.add(key)
    return kept


def _series_of(path: Path) -> str | None:
    """Return the identifier of the series of a DICOM file; None for a file that is its own."""
    from napari_clip_denoise.formats.medical.dicom_file import count_frames, read_header

    try:
        header = read_header(path)
        is_alone = count_frames(header) > 1
    except InputError:  # it is told when the file is opened
        return None
    return None if is_alone else str(header.get("SeriesInstanceUID", "")) or None


def _is_image(path: Path) -> bool:
    """Return whether a path has an image suffix, or is the folder or a file of a DICOM series."""
    if path.is_dir() and path.suffix.lower() not in ZARR_SUFFIXES:
        return not any(_is_other(file) for file in path.iterdir()) and _holds_dicom(path)
    return path.name.lower().endswith(SUFFIXES) or looks_like_dicom(path)


def _holds_dicom(folder: Path) -> bool:
    return any(looks_like_dicom(file) for file in folder.iterdir() if not _is_other(file))


def _is_other(path: Path) -> bool:
    """Return whether a path has the suffix of an image format other than DICOM."""
    return not path.name.startswith(".") and path.name.lower().endswith(OTHER_SUFFIXES)


def _listed(folder: Path, pattern: str) -> list[Path]:
    """List the images in a folder that match a pattern, except hidden ones and parts of stores."""
    found = []
    for path in sorted(folder.glob(pattern)):
        inside = path.relative_to(folder).parts
        is_part = any(part.lower().endswith(ZARR_SUFFIXES) for part in inside[:-1])
        is_hidden = any(part.startswith(".") for part in inside)
        if not is_part and not is_hidden and _is_image(path):
            found.append(path)
    return found
