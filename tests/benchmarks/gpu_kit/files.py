"""Files of at most 16 MB, for machines that hand back no larger ones. Standard library only."""

import shutil
from pathlib import Path

LARGEST = 15 * 2**20
PART = ".part"


def bring(source: Path, target: Path, largest: int = LARGEST) -> list[Path]:
    """Copy a file, in numbered parts if it is too large.

    Parameters
    ----------
    source, target : Path
        The file and its copy; the parts have a number appended to their names.
    largest : int
        Largest size of a file in bytes.

    Returns
    -------
    list of Path
        The written files.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in (target, *_parts(target)):
        old.unlink(missing_ok=True)
    if source.stat().st_size <= largest:
        return [Path(shutil.copyfile(source, target))]
    content = source.read_bytes()
    written = []
    for number, start in enumerate(range(0, len(content), largest)):
        part = target.with_name(f"{target.name}{PART}{number:02d}")
        part.write_bytes(content[start : start + largest])
        written.append(part)
    return written


def fetch(source: Path, target: Path) -> bool:
    """Copy back a file that `bring` copied, whole or in parts; return False if there is none."""
    parts = [source] if source.exists() else _parts(source)
    if not parts:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return True


def _parts(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}{PART}[0-9][0-9]"))
