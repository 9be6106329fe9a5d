"""Reading OME-Zarr stores and plain zarr arrays."""

from pathlib import Path
from typing import Any

import zarr
from zarr.errors import BaseZarrError

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.ome_zarr.metadata import axes_of, metadata_of
from napari_clip_denoise.images.stack import Stack, as_dask, as_stack

OWN_KEY = "napari_clip_denoise"


def read_zarr(path: Path, axes: str | None) -> Stack:
    """Open a plain zarr array, or the full resolution of an OME-Zarr image (0.4 or 0.5).

    Raises
    ------
    InputError
        If the store is damaged, unfinished, a plate, or a group of several arrays.
    """
    try:
        node = zarr.open(path, mode="r")
    except (BaseZarrError, ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} is not a readable zarr store.") from error
    name = path.name.split(".")[0]
    if isinstance(node, zarr.Array):
        return as_stack(node, axes, name=name, path=path)
    attributes = dict(node.attrs)
    own: Any = attributes.get(OWN_KEY, {})
    if own.get("complete") is False:
        raise InputError(f"{path} is the unfinished result of an interrupted run; run it again.")
    ome: Any = attributes.get("ome", attributes)
    if "plate" in ome:
        wells = [well["path"] for well in ome["plate"].get("wells", [])] or ["A/1"]
        raise InputError(
            f"{path} is a plate; give the image of one well, such as {path / wells[0] / '0'}, and "
            "continue well by well."
        )
    array: Any = full_resolution(node)
    if array is None:
        n_arrays = len(list(node.arrays()))
        raise InputError(
            f"{path} is not an OME-Zarr image and holds {n_arrays} arrays; give one of them."
        )
    if "multiscales" not in ome:
        return as_stack(array, axes, name=name, path=path)
    multiscale = ome["multiscales"][0]
    letters = axes_of(multiscale, array.ndim)
    metadata = metadata_of(multiscale, ome.get("omero"), letters)
    if own.get("rgb") and axes is None:
        where = letters.index("c")
        order = [*(i for i in range(array.ndim) if i != where), where]
        array = as_dask(array, array.chunks).transpose(order)
        letters = letters.replace("c", "") + "s"
        metadata = metadata.reordered(order)
    return as_stack(array, axes or letters or None, metadata=metadata, name=name, path=path)


def full_resolution(node: zarr.Array | zarr.Group) -> zarr.Array | None:
    """Return the first level of an image, or the only array of a group; None if neither exists."""
    if isinstance(node, zarr.Array):
        return node
    attributes = dict(node.attrs)
    ome: Any = attributes.get("ome", attributes)
    if "multiscales" in ome:
        level: Any = node[ome["multiscales"][0]["datasets"][0]["path"]]
        return level
    arrays = [array for _, array in node.arrays()]
    return arrays[0] if len(arrays) == 1 else None
