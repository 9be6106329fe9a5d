"""Reading OME-Zarr stores and plain zarr arrays."""

from pathlib import Path
from typing import Any

import zarr

from napari_clip_denoise.credentials import split_credentials
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import shown_place
from napari_clip_denoise.formats.ome_zarr.metadata import axes_of, metadata_of, ome_of
from napari_clip_denoise.formats.publish import OWN_KEY
from napari_clip_denoise.formats.reading import check_claim, check_memory_for, file_errors
from napari_clip_denoise.images.axes import name_axes
from napari_clip_denoise.images.stack import Stack, as_dask, as_stack

BIOFORMATS2RAW = "bioformats2raw.layout"
XARRAY_NAMES = "_ARRAY_DIMENSIONS"


def read_zarr(path: Path | str, axes: str | None, series: int | None) -> Stack:
    """Open a plain zarr array, or the full resolution of an OME-Zarr image (0.4 or 0.5).

    Parameters
    ----------
    path : Path or str
        A store on disk, or a URL.
    axes : str or None
        Axes that override those of the store.
    series : int or None
        Number of the image in a store that holds several.

    Raises
    ------
    InputError
        If the store is damaged, unfinished, a plate, or a group of several images or arrays.
    """
    with file_errors(f"{path} is not a readable zarr store; it may be damaged."):
        try:
            node = open_node(path)
        except ImportError as error:
            raise InputError(
                f"{path} cannot be opened ({error}); install what is missing."
            ) from error
        attributes = dict(node.attrs)
    with file_errors(
        f"The metadata of {path} are damaged or not those of OME-Zarr 0.4 or 0.5; give one of its "
        "arrays, such as the folder 0 in it."
    ):
        return _read(node, attributes, path, axes, series)


def open_node(path: Path | str) -> Any:
    """Open a group or an array of zarr, on a disk or behind a URL, for reading."""
    if isinstance(path, Path):
        return zarr.open(path, mode="r")
    url, options = split_credentials(path)
    return zarr.open(url, mode="r", storage_options=options or None)


def full_resolution(node: Any, series: int | None = None) -> zarr.Array | None:
    """Return the first level of an image, or the only array of a group; None if neither exists."""
    if isinstance(node, zarr.Array):
        return node
    ome = ome_of(dict(node.attrs))
    if ome.get("multiscales"):
        level: Any = node[ome["multiscales"][series or 0]["datasets"][0]["path"]]
        return level
    arrays = [array for _, array in node.arrays()]
    return arrays[0] if len(arrays) == 1 else None


def _read(
    node: Any,
    attributes: dict[str, Any],
    path: Path | str,
    axes: str | None,
    series: int | None,
) -> Stack:
    place = path if isinstance(path, Path) else None
    name = shown_place(path).rstrip("/").rpartition("/")[2].split(".")[0]
    if isinstance(node, zarr.Array):
        _check_single(path, series)
        _check_sizes(path, node)
        return as_stack(node, axes or _names(node) or None, name=name, path=place)
    own: Any = attributes.get(OWN_KEY, {})
    if own.get("complete") is False:
        raise InputError(f"{path} is the unfinished result of an interrupted run; run it again.")
    ome = ome_of(attributes)
    if "plate" in ome:
        wells = [well["path"] for well in ome["plate"].get("wells", [])] or ["A/1"]
        raise InputError(
            f"{path} is a plate; give the image of one well, such as {path}/{wells[0]}/0, or "
            "denoise all of it with clip-denoise denoise, or denoise_plate in Python."
        )
    images = images_of(node, ome)
    if images:
        inner = images[_chosen(path, len(images), series)]
        return read_zarr(path / inner if isinstance(path, Path) else f"{path}/{inner}", axes, None)
    if "well" in ome or (BIOFORMATS2RAW in ome and not ome.get("multiscales")):
        raise InputError(f"{path} lists no images; give the folder of one, such as {path}/0.")
    multiscales = ome.get("multiscales") or []
    number = _chosen(path, len(multiscales), series) if multiscales else 0
    array = full_resolution(node, number)
    if array is None:
        n_arrays = len(list(node.arrays()))
        raise InputError(
            f"{path} is not an OME-Zarr image and holds {n_arrays} arrays; give one of them."
        )
    _check_sizes(path, array)
    if not multiscales:
        _check_single(path, series)
        return as_stack(array, axes or _names(array) or None, name=name, path=place)
    multiscale = multiscales[number]
    letters = axes_of(multiscale, array.ndim) or _names(array)
    metadata = metadata_of(multiscale, ome.get("omero"), letters, array.ndim)
    stored: Any = array
    if own.get("rgb") and axes is None:
        where = letters.index("c")
        order = [*(i for i in range(array.ndim) if i != where), where]
        stored = as_dask(array, array.chunks).transpose(order)
        letters = letters.replace("c", "") + "s"
        metadata = metadata.reordered(order)
    return as_stack(stored, axes or letters or None, metadata=metadata, name=name, path=place)


def images_of(node: Any, ome: dict[str, Any]) -> list[str]:
    """Return the folders of the images in a bioformats2raw store or a well of a plate."""
    if "well" in ome:
        return [str(image["path"]) for image in ome["well"].get("images", [])]
    if BIOFORMATS2RAW not in ome or ome.get("multiscales"):
        return []
    if "OME" in node and "series" in ome_of(dict(node["OME"].attrs)):
        return [str(name) for name in ome_of(dict(node["OME"].attrs))["series"]]
    return sorted((name for name, _ in node.groups() if name.isdecimal()), key=int)


def _chosen(path: Path | str, n_images: int, series: int | None) -> int:
    if series is None and n_images > 1:
        raise InputError(
            f"{path} holds {n_images} images; choose one by its number, --series 0 to "
            f"{n_images - 1} (series= in Python)."
        )
    if not 0 <= (series or 0) < n_images:
        raise InputError(f"{path} has no image {series}; it holds {n_images}, numbered from 0.")
    return series or 0


def _check_single(path: Path | str, series: int | None) -> None:
    if series:
        raise InputError(f"{path} holds a single image; leave out its number {series}.")


def _check_sizes(path: Path | str, array: zarr.Array) -> None:
    check_claim(path, array.shape, array.dtype.itemsize)
    check_memory_for(f"A chunk of {path}", array.chunks, array.dtype.itemsize)


def _names(array: zarr.Array) -> str:
    """Return the axes by the names of an array's dimensions; ``""`` if it has none."""
    names: Any = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get(XARRAY_NAMES)
    if not isinstance(names, (list, tuple)) or len(names) != array.ndim:
        return ""
    return name_axes([None if name is None else str(name) for name in names])
