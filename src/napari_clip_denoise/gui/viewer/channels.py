"""Image layers that are channels of one image, as napari splits it along its channel axis."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.gui.viewer.layers import axes_of, images_of, is_derived, shape_of, stack_of
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.images.stack import Metadata, Stack, as_stack

CHANNEL, TIME = "c", "t"


def channels_of(viewer: ViewerModel, layer: Image) -> list[Image]:
    """List the channels of the image that a layer belongs to; the layer alone if it has no others.

    Channels have the same size, type and place, and all but the lowest are blended additively.
    """
    if layer.rgb or CHANNEL in leading_axes(axes_of(layer)):
        return [layer]
    alike = [x for x in images_of(viewer) if not is_derived(x) and is_like(x, layer)]
    if layer not in alike or any(str(other.blending) != "additive" for other in alike[1:]):
        return [layer]
    return alike


def stack_of_channels(layers: list[Image]) -> Stack:
    """Join channels to one stack with a channel axis, which is read on demand."""
    import dask.array as da

    parts = [stack_of(layer) for layer in layers]
    first = parts[0]
    place = channel_axis(first.axes)
    array = da.stack([_lazy(part.array) for part in parts], axis=place)
    axes = first.axes[:place] + CHANNEL + first.axes[place:]
    known = first.metadata
    metadata = Metadata(
        scale=(*known.scale[:place], 1.0, *known.scale[place:]),
        translation=(*known.translation[:place], 0.0, *known.translation[place:]),
        units=(*known.units[:place], None, *known.units[place:]),
        channel_names=tuple(layer.name for layer in layers),
        channel_colors=tuple(_colour(layer) for layer in layers),
        display_ranges=tuple(_range(layer) for layer in layers),
    )
    return as_stack(array, axes, metadata=metadata, name=first.name)


def channel_axis(axes: str) -> int:
    """Return where the channel axis is inserted into the axes of a channel: after time."""
    return int(axes.startswith(TIME))


def is_like(one: Image, other: Image) -> bool:
    """Return whether two layers have the same size, type and place, as channels have."""

    def facts(layer: Image) -> tuple[object, ...]:
        return layer.rgb, shape_of(layer), layer.dtype, layer.axis_labels, layer.units

    if facts(one) != facts(other):
        return False
    points = np.vstack([np.zeros(one.ndim), np.eye(one.ndim)])
    return all(np.allclose(one.data_to_world(x), other.data_to_world(x)) for x in points)


def _lazy(array: object) -> Any:
    import dask.array as da

    return array if isinstance(array, da.Array) else da.from_array(array, name=False)


def _range(layer: Image) -> tuple[float, float]:
    low, high = layer.contrast_limits
    return float(low), float(high)


def _colour(layer: Image) -> str:
    """Return the brightest colour of a colormap as ``"RRGGBB"``."""
    return "".join(f"{round(255 * float(value)):02X}" for value in layer.colormap.colors[-1][:3])
