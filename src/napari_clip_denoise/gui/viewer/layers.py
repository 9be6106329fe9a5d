"""Conversion between napari's image layers and stacks."""

import gc
from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.transforms import Affine

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import infer_axes, parse_axes
from napari_clip_denoise.images.regions import Region, whole
from napari_clip_denoise.images.stack import Metadata, Stack, as_stack

AXIS_NAMES = {"time": "t", "channel": "c", "depth": "z"}
NO_UNIT = "pixel"
METADATA = "napari_clip_denoise"
PREVIEW = "preview"
COPIED = (
    "affine",
    "attenuation",
    "blending",
    "colormap",
    "depiction",
    "gamma",
    "interpolation2d",
    "interpolation3d",
    "opacity",
    "projection_mode",
    "rendering",
)


def is_preview(layer: Layer) -> bool:
    """Return whether a layer is a live preview, which cannot be used as a source."""
    return bool(layer.metadata.get(METADATA, {}).get(PREVIEW))


def is_derived(layer: Layer) -> bool:
    """Return whether this plugin made a layer: a result, a preview, a residual and so on."""
    return bool(layer.metadata.get(METADATA))


def shows_planes(viewer: ViewerModel) -> bool:
    """Return whether the viewer shows planes in 2D that are spanned by the last two axes."""
    dims = viewer.dims
    return bool(dims.ndisplay == 2) and sorted(dims.displayed) == [dims.ndim - 2, dims.ndim - 1]


def images_of(viewer: ViewerModel) -> list[Image]:
    """List the image layers that a user may choose."""
    return [x for x in viewer.layers if isinstance(x, Image) and not is_preview(x)]


def originals_first(images: list[Image]) -> list[Image]:
    """Sort layers so that those that this plugin made come last."""
    return sorted(images, key=is_derived)


def preferred_image(viewer: ViewerModel) -> Image | None:
    """Return the image that a user most likely wants to process.

    That is the active layer, or the image that it was made from, or else the topmost image that
    this plugin did not make.
    """
    originals = [layer for layer in images_of(viewer) if not is_derived(layer)]
    active = viewer.layers.selection.active
    if active is not None:
        made = active.metadata.get(METADATA, {})
        names = {active.name, made.get("source"), made.get("noisy")}
        if chosen := [layer for layer in originals if layer.name in names]:
            return chosen[0]
    return originals[-1] if originals else None


def remove(viewer: ViewerModel, layer: Layer) -> None:
    """Remove a layer without the full garbage collection that napari then triggers.

    That collection visits all objects of napari and torch and takes longer than everything else.
    The objects of the layer are collected as usual, a little later.
    """
    gc.freeze()
    try:
        viewer.layers.remove(layer)
    finally:
        gc.unfreeze()


def axes_of(layer: Image) -> str:
    """Return the axes of a layer, one letter for each.

    Axis labels that are letters or words such as ``time`` name the axes; otherwise the last two
    axes are YX.
    """
    shape = shape_of(layer)
    if (labelled := _labelled_axes(layer, shape)) is not None:
        return labelled
    try:
        return infer_axes(shape, rgb=layer.rgb)
    except InputError:  # more dimensions than have a usual letter
        plane = "yxs" if layer.rgb else "yx"
        others = [letter for letter in ascii_lowercase if letter not in "yxs"]
        return "".join(others[: len(shape) - len(plane)]) + plane


def has_labels(layer: Image) -> bool:
    """Return whether the axis labels of a layer name its axes."""
    return _labelled_axes(layer, shape_of(layer)) is not None


def label_axes(layer: Image, letters: str) -> None:
    """Name the axes of a layer.

    Raises
    ------
    InputError
        If the letters do not suit the layer.
    """
    samples = "s" if layer.rgb else ""
    axes = parse_axes(letters.replace(",", "").replace(" ", "") + samples, shape_of(layer))
    layer.axis_labels = tuple(axes.removesuffix(samples))


def shape_of(layer: Image) -> tuple[int, ...]:
    """Return the shape of a layer's data; for a multiscale layer, of its full resolution."""
    return tuple(int(n) for n in (layer.data[0] if layer.multiscale else layer.data).shape)


def stack_of(layer: Image) -> Stack:
    """Return the data of a layer as a stack; for a multiscale layer, the full resolution.

    Raises
    ------
    InputError
        If its pixels cannot be denoised.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    axes = axes_of(layer)
    units = tuple(None if str(unit) == NO_UNIT else str(unit) for unit in layer.units)
    metadata = Metadata(tuple(map(float, layer.scale)), tuple(map(float, layer.translate)), units)
    if layer.rgb:
        metadata = Metadata(
            (*metadata.scale, 1.0), (*metadata.translation, 0.0), (*metadata.units, None)
        )
    return as_stack(data, axes, metadata=metadata, name=layer.name)


def current_plane(viewer: ViewerModel, layer: Image, stack: Stack) -> Region:
    """Return the plane of a layer that is on screen; see `plane_at`.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer that shows the layer.
    layer : Image
        The layer.
    stack : Stack
        Image of the layer.

    Raises
    ------
    InputError
        If the viewer shows something else, such as XZ planes or a volume.
    """
    if not shows_planes(viewer):
        raise InputError(
            "The screen does not show the planes that would be denoised. Use the buttons below the "
            "layer list to return to 2D and to roll the axes until y and x are shown, or choose "
            "'Whole layer'."
        )
    return plane_at(layer, stack, viewer.dims.point)


def plane_at(layer: Image, stack: Stack, point: tuple[float, ...]) -> Region:
    """Return the plane of a layer at a point of the viewer.

    Parameters
    ----------
    layer : Image
        The layer.
    stack : Stack
        Data of the layer, from `stack_of`.
    point : tuple of float
        The viewer's position in world coordinates, ``viewer.dims.point``.

    Returns
    -------
    tuple of slice
        Region of the stack.
    """
    position = np.rint(layer.world_to_data(point)).astype(int)
    leading = [
        slice(index, index + 1)
        for index in (
            int(np.clip(i, 0, size - 1))
            for i, size in zip(position, stack.leading_shape, strict=False)
        )
    ]
    return (*leading, *whole(stack.shape)[len(leading) :])


def result_arguments(
    layer: Image, name: str, metadata: dict[str, Any], region: Region
) -> dict[str, Any]:
    """Return arguments of ``viewer.add_image`` that show a result at the position of its source.

    Parameters
    ----------
    layer : Image
        The source, whose transforms and appearance are copied.
    name : str
        Name of the result.
    metadata : dict
        Record of how the result was made; the region is added to it.
    region : tuple of slice
        Part of the layer that the result covers.

    Returns
    -------
    dict
        Keyword arguments.
    """
    arguments = {key: getattr(layer, key) for key in COPIED}
    if layer.rgb:
        del arguments["colormap"]
    else:
        arguments["contrast_limits"] = tuple(layer.contrast_limits)
    local = Affine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear
    )
    offset = [part.start for part in region[: layer.ndim]]
    return arguments | {
        "scale": layer.scale,
        "translate": local(offset),
        "rotate": layer.rotate,
        "shear": layer.shear,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "multiscale": False,
        "rgb": layer.rgb,
        "name": name,
        "metadata": {METADATA: metadata | {"region": [[part.start, part.stop] for part in region]}},
    }


def _labelled_axes(layer: Image, shape: tuple[int, ...]) -> str | None:
    labels = [AXIS_NAMES.get(label.lower(), label.lower()) for label in layer.axis_labels]
    if not all(len(label) == 1 and label.isalpha() for label in labels):
        return None
    try:
        return parse_axes("".join(labels) + ("s" if layer.rgb else ""), shape)
    except InputError:
        return None


def when_layers_change(viewer: ViewerModel, act: Callable[..., object]) -> None:
    """Call `act` when a layer is added, removed, moved or, from napari 0.7 on, renamed."""
    events = viewer.layers.events
    for name in ("inserted", "removed", "reordered", "renamed"):
        if hasattr(events, name):
            getattr(events, name).connect(act)
