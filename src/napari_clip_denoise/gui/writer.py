"""Saving image layers from napari's own menu, with their scale, units, axes and channels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari.layers import Image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer
from napari_clip_denoise.gui.viewer.channels import is_like, stack_of_channels
from napari_clip_denoise.gui.viewer.layers import METADATA, stack_of
from napari_clip_denoise.images.stack import Stack

LayerData = tuple[Any, dict[str, Any], str]


def write_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer to one file, NIfTI or MRC.

    Parameters
    ----------
    path : str
        The file, whose suffix gives the format; napari has asked whether to replace an old one.
    data : array-like
        Pixels of the layer, or the levels of its pyramid, of which the first is written.
    attributes : dict
        Attributes of the layer.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    InputError, OutputError
        If the format cannot hold such an image, or the path cannot be written.
    """
    return _write(path, stack_of(Image(data, **attributes)), attributes)


def write_layers(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write image layers to one OME-Zarr file, several as its channels.

    Parameters
    ----------
    path : str
        The file, see `write_layer`.
    layers : sequence of (array, dict, str)
        Data, attributes and type of the layers, from the lowest.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    InputError, OutputError
        If the layers differ in size, type or place, or the path cannot be written.
    """
    images = [Image(data, **attributes) for data, attributes, _ in layers]
    first = images[0]
    if len(images) == 1:
        stack = stack_of(first)
        if not first.rgb:
            low, high = map(float, first.contrast_limits)
            known = replace(stack.metadata, display_ranges=((low, high),))
            stack = replace(stack, metadata=known)
    elif first.rgb or not all(is_like(image, first) for image in images):
        raise InputError(
            "Layers become the channels of one OME-Zarr file only if they are grey and have the "
            "same size, type and place; save them one by one."
        )
    else:
        stack = stack_of_channels(images)
    return _write(path, stack, layers[0][1])


def _write(path: str, stack: Stack, attributes: dict[str, Any]) -> list[str]:
    """Write a stack region by region, and how it was made, if it is a result of this plugin."""
    made = attributes.get("metadata", {}).get(METADATA, {})
    writer = create_writer(path, stack, stack.dtype, overwrite=True, attributes=made)
    try:
        for region in writer.regions():
            writer.write(region, stack.read(region))
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return [path]
