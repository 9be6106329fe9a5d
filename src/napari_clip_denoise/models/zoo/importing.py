"""Adding packages to the user's models."""

import shutil
import zipfile
from pathlib import Path

from napari_clip_denoise.models.whole_file import whole_file
from napari_clip_denoise.models.zoo.model import load_package
from napari_clip_denoise.models.zoo.record import Record, read_record, write_record


def check_once(path: Path, *, trust: bool) -> Record:
    """Load a package with all checks, and return what is to be kept of it.

    Raises
    ------
    ModelError, InputError
        See `load_package`.
    """
    return Record(card=load_package(path, trust=trust).card, trusted=trust)


def copy_package(path: Path, target: Path, record: Record | None = None) -> None:
    """Copy a package to the user's folder, with its record; a folder becomes a ``.zip``.

    Parameters
    ----------
    path : Path
        The package.
    target : Path
        The copy, written completely or not at all.
    record : Record, optional
        What is known of it; by default what is kept beside it, if it lies in the user's folder.

    Raises
    ------
    OutputError
        If the copy cannot be written.
    """
    record = record or read_record(path)
    with whole_file(target) as partial:
        if path.is_dir():
            _pack(path, partial)
        else:
            shutil.copyfile(path, partial)
    if record is not None:
        write_record(target, record)


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
