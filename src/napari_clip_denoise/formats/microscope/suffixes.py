"""Which files bioio is asked to read, and which of its readers they need."""

from importlib.util import find_spec
from pathlib import Path

READERS = {
    ".czi": "bioio-czi",
    ".nd2": "bioio-nd2",
    ".lif": "bioio-lif",
    ".dv": "bioio-dv",
    ".r3d": "bioio-dv",
    ".sldy": "bioio-sldy",
    ".ims": "bioio-bioformats",
    ".oib": "bioio-bioformats",
    ".oif": "bioio-bioformats",
    ".oir": "bioio-bioformats",
    ".vsi": "bioio-bioformats",
    ".zvi": "bioio-bioformats",
}
"""Name of the reader on PyPI for each suffix."""
EXTRAS = {"bioio-czi": "czi", "bioio-nd2": "bioio", "bioio-lif": "bioio", "bioio-dv": "bioio"}
"""Extra of this package that installs a reader; the others are installed by their names."""


def is_microscope_file(path: Path) -> bool:
    """Return whether bioio is asked to read a file: it has a known suffix, or a reader takes it."""
    suffix = path.suffix.lower()
    if suffix in READERS:
        return True
    if not suffix or path.is_dir() or find_spec("bioio") is None:
        return False
    from bioio.plugins import get_plugins

    return suffix in get_plugins(use_cache=True)


def what_to_install(suffix: str) -> str:
    """Return the line that installs what reads files of a suffix of `READERS`."""
    reader = READERS[suffix]
    extra = EXTRAS.get(reader)
    return f'pip install "napari-clip-denoise[{extra}]"' if extra else f"pip install bioio {reader}"
