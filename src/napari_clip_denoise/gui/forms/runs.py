"""The images that a press of Denoise denoises, and the files for their results."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.table import FORMATS
from napari_clip_denoise.gui.viewer.channels import stack_of_channels
from napari_clip_denoise.gui.viewer.layers import stack_of
from napari_clip_denoise.images.stack import Stack

SUFFIX, STORE_SUFFIX = ".zarr", ".ome.zarr"


@dataclass(frozen=True)
class Run:
    """One image to denoise.

    Attributes
    ----------
    layers : list of Image
        The layer that shows the image, or one for each of its channels.
    stack : Stack
        The image.
    store : Path or None
        OME-Zarr file for the result; None keeps it in memory.
    """

    layers: list[Image]
    stack: Stack
    store: Path | None


def run_of(layers: list[Image], store: Path | None) -> Run:
    """Return the run of a layer, or of the channels of an image."""
    stack = stack_of(layers[0]) if len(layers) == 1 else stack_of_channels(layers)
    return Run(layers, stack, store)


def runs_of_each(layers: Sequence[Image], store: Path | None) -> list[Run]:
    """Return one run for each layer, with a file of its own beside a named one.

    Raises
    ------
    InputError
        If a layer cannot be denoised, or two of them would be written to the same file.
    """
    stores = [None if store is None else _beside(store, layer.name) for layer in layers]
    if store is not None and len(set(stores)) < len(stores):
        raise InputError(
            "The results of two layers would get the same file name; rename one of the layers."
        )
    return [run_of([layer], own) for layer, own in zip(layers, stores, strict=True)]


def with_suffix(path: Path) -> Path:
    """Return the path of an OME-Zarr file, whose suffix may have been left out.

    Raises
    ------
    InputError
        If the path is that of a folder or of a file of another format.
    """
    if path.suffix == SUFFIX:
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder; add the name of a file, such as result.ome.zarr.")
    others = [f.name for f in FORMATS if not f.is_store and path.suffix and f.writes(path)]
    if others:
        raise InputError(
            f"{path.name} would be a file of the format {others[0]}, but only OME-Zarr can be "
            "written here; give a name such as result.ome.zarr."
        )
    return path.with_name(f"{path.name.removesuffix('.ome')}{STORE_SUFFIX}")


def _beside(store: Path, name: str) -> Path:
    """Return the path of a file whose name contains that of a layer."""
    suffix = STORE_SUFFIX if store.name.endswith(STORE_SUFFIX) else SUFFIX
    plain = re.sub(r"[^\w.-]+", "_", name).strip("_.")
    return store.with_name(f"{store.name.removesuffix(suffix)}_{plain}{suffix}")
