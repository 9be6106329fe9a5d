"""Labels, tables and files of OME metadata beside the images of a store."""

from collections.abc import Iterator
from pathlib import Path

from napari_clip_denoise.formats.ome_zarr.files import Files, LocalFiles

FOLDERS = ("labels", "tables")
OME_XML = "OME/METADATA.ome.xml"


def files_at(place: Path | str) -> Files:
    """Return the files of a store at a path or URL."""
    if isinstance(place, Path):
        return LocalFiles(place)
    from napari_clip_denoise.formats.ome_zarr.remote.files import RemoteFiles

    return RemoteFiles(place)


def copy_companions(source: Files, target: Files, group: str) -> None:
    """Copy the labels and tables of a group of a store, byte by byte.

    Parameters
    ----------
    source, target : Files
        The stores.
    group : str
        Name of an image, a well, or ``""`` for the store.
    """
    for name in companions(source, group):
        copy_file(source, target, name)


def companions(source: Files, group: str) -> Iterator[str]:
    """Iterate over the names of the files of labels and tables in a group."""
    for folder in FOLDERS:
        yield from source.names(f"{group}/{folder}" if group else folder)


def copy_file(source: Files, target: Files, name: str) -> None:
    """Copy a file if it exists."""
    content = source.read(name)
    if content is not None:
        target.write(name, content)
