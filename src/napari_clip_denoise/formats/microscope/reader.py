"""Files of microscopes, opened lazily by the readers of bioio."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_clip_denoise.errors import ClipDenoiseError, InputError
from napari_clip_denoise.formats.microscope.metadata import metadata_of
from napari_clip_denoise.formats.microscope.scene import lazy_array
from napari_clip_denoise.formats.microscope.suffixes import READERS, what_to_install
from napari_clip_denoise.formats.reading import check_claim, check_memory_for, chosen_image
from napari_clip_denoise.images.axes import name_axes
from napari_clip_denoise.images.stack import Stack, as_stack

TILES, SAMPLES = "M", "S"
KEPT = ("C", "Y", "X", SAMPLES)
"""Dimensions that are kept although there is one of them."""
PLANES = ("Y", "X")
SILENT = logging.NullHandler()


def read_microscope(path: Path, axes: str | None, series: int | None) -> Stack:
    """Open an image of a microscope's file; its planes are read when they are needed.

    Parameters
    ----------
    path : Path
        The file.
    axes : str or None
        Letters of the image's axes, without those of length 1; by default, those of the file.
    series : int or None
        Number of the image (scene, position) to open if the file holds several, from 0.

    Raises
    ------
    InputError
        If no installed reader reads the file, it is damaged, holds several images of which none is
        chosen, or tiles or colours that its reader does not put together.
    """
    with _in_words(path):
        reader, name = _opened(path)
        reader.set_scene(chosen_image(path, len(reader.scenes), series, tuple(reader.scenes)))
        image = _image(path, reader, name)
        unused = [
            dim
            for dim, size in zip(image.dims, image.shape, strict=True)
            if size == 1 and (dim not in KEPT or (dim == "C" and SAMPLES in image.dims))
        ]
        image = image.squeeze(unused, drop=True)
        letters = name_axes([str(dim) for dim in image.dims])
        metadata = metadata_of(reader, name, image, letters)
        array = lazy_array(reader, name, image, TILES)
    check_claim(path, image.shape, image.dtype.itemsize)
    chunk = getattr(image.data, "chunksize", image.shape)
    check_memory_for(f"A plane of {path}", chunk, image.dtype.itemsize)
    return as_stack(array, axes or letters, metadata=metadata, name=path.stem, path=path)


def names_of_images(path: Path) -> tuple[str, ...]:
    """Return the names of the images (scenes, positions) in a file, in their order.

    Raises
    ------
    InputError
        If no installed reader reads the file, or it is damaged.
    """
    with _in_words(path):
        return tuple(map(str, _opened(path)[0].scenes))


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Raise an InputError for any error of a reader, and leave out its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except ClipDenoiseError:
            raise
        except Exception as error:  # the readers raise all kinds of errors for damaged files
            raise InputError(
                f"{path} cannot be read ({type(error).__name__}: {' '.join(str(error).split())}); "
                "it may be damaged or of a kind that its reader does not know."
            ) from error


def _opened(path: Path) -> tuple[Any, str]:
    """Return the first reader of bioio that takes a file, and its name on PyPI."""
    suffix = path.suffix.lower()
    try:
        from bioio.plugins import get_plugins

        plugins = get_plugins(use_cache=True).get(suffix, [])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "bioio":
            raise
        plugins = []
    if not plugins:
        raise InputError(
            f"{path} needs {READERS[suffix]}, which is not installed; "
            f"run: {what_to_install(suffix)}."
        )
    reasons = []
    for plugin in plugins:
        name = plugin.entrypoint.name
        logging.getLogger(name.replace("-", "_")).addHandler(SILENT)
        try:
            return _planewise(plugin.metadata.get_reader(), path), name
        except Exception as error:  # as above
            reasons.append(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")
    raise InputError(
        f"No reader reads {path} ({'; '.join(reasons)}); it may be damaged or of another format."
    )


def _planewise(reader: Any, path: Path) -> Any:
    """Open a file by a reader, plane by plane, where whole volumes are its default."""
    try:
        return reader(str(path), chunk_dims=list(PLANES))
    except TypeError:  # it has no such choice
        return reader(str(path))


def _image(path: Path, reader: Any, name: str) -> Any:
    """Return the chosen image as a lazy xarray.DataArray, with its tiles put together."""
    if SAMPLES in reader.dims.order and name == "bioio-czi":
        raise InputError(
            f"{path} holds RGB colours, which {name} mixes up; export it as OME-TIFF or OME-Zarr."
        )
    if TILES not in reader.dims.order:
        return reader.xarray_dask_data
    try:
        return reader.mosaic_xarray_dask_data
    except NotImplementedError as error:
        raise InputError(
            f"{path} is a mosaic of tiles, which {name} does not put together; stitch them and "
            "save the whole image."
        ) from error
