"""The part of an image that is on screen or within a selected rectangle."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_clip_denoise.gui.viewer.layers import current_plane
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack


def region_of_interest(viewer: ViewerModel, layer: Image, stack: Stack) -> Region:
    """Return the part of the current plane within the selected shape, or else on screen.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer that shows the layer in 2D.
    layer : Image
        Layer that was drawn at least once.
    stack : Stack
        Data of the layer, from `stack_of`.

    Returns
    -------
    tuple of slice
        Region of the stack.

    Raises
    ------
    InputError
        If the viewer shows something else than planes.
    """
    corners = _drawn(viewer, layer)
    plane = current_plane(viewer, layer, stack)
    if corners is not None and (drawn := _clip(plane, stack, *corners)) is not None:
        return drawn
    return visible_part(viewer, layer, stack)


def visible_part(viewer: ViewerModel, layer: Image, stack: Stack) -> Region:
    """Return the part of the current plane on screen; the whole plane if none of it is.

    Parameters
    ----------
    viewer, layer, stack :
        See `region_of_interest`.

    Returns
    -------
    tuple of slice
        Region of the stack.
    """
    plane = current_plane(viewer, layer, stack)
    first, last = layer.corner_pixels.astype(float)
    if layer.multiscale:
        first, last = (each * layer.downsample_factors[layer.data_level] for each in (first, last))
    visible = _clip(plane, stack, first[-2:], last[-2:])
    return plane if visible is None else visible


def _drawn(viewer: ViewerModel, layer: Image) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the first and last pixel (y, x) of the selected shape, if exactly one is selected."""
    for shapes in viewer.layers:
        if isinstance(shapes, Shapes) and shapes.visible and len(shapes.selected_data) == 1:
            world = [shapes.data_to_world(x)[-2:] for x in shapes.data[min(shapes.selected_data)]]
            before = viewer.dims.point[:-2]
            found = np.array([layer.world_to_data((*before, *x))[-2:] for x in world])
            return np.rint(found.min(axis=0)), np.rint(found.max(axis=0))
    return None


def _clip(plane: Region, stack: Stack, first: np.ndarray, last: np.ndarray) -> Region | None:
    """Crop a plane to the pixels from `first` to `last`; return None if it contains none."""
    n_leading = len(stack.leading_shape)
    parts = list(plane)
    for axis, start, stop in zip((n_leading, n_leading + 1), first, np.ceil(last) + 1, strict=True):
        size = stack.shape[axis]
        if stop <= 0 or start >= size:
            return None
        parts[axis] = slice(max(0, int(start)), min(size, int(stop)))
    return tuple(parts)
