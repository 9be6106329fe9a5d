"""Opening images in napari with their scale, units, axes, channels and contrast limits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pint
import zarr

from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.publish import OWN_KEY, is_own_store
from napari_clip_denoise.formats.table import FORMATS
from napari_clip_denoise.gui.viewer.layers import METADATA, NO_UNIT
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.images.stack import Stack, as_dask

OPENED = ("NIfTI", "MRC", "DICOM")
"""Names of the formats that are opened, besides the OME-Zarr files that this plugin wrote."""
CHANNEL = "c"
LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return a function that opens a path as layers; None if another plugin should do that."""
    if not isinstance(path, str):
        if len(path) != 1:
            return None
        path = path[0]
    place = Path(path)
    reads = next((each.name for each in FORMATS if each.reads(place)), None)
    return read_layers if reads in OPENED or is_own_store(place) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open an image as a layer for each channel.

    Parameters
    ----------
    path : str or sequence of str
        A path that `get_reader` accepts.

    Returns
    -------
    list of (array, dict, str)
        Data, arguments and type of the layers.
    """
    stack = open_stack(path if isinstance(path, str) else path[0])
    levels = _levels(stack)
    arguments: dict[str, Any] = {"name": stack.name, "rgb": stack.is_rgb, **_place(stack)}
    if made := _record(stack):
        arguments["metadata"] = {METADATA: made}
    ranges = stack.metadata.display_ranges
    if CHANNEL in leading_axes(stack.axes):
        arguments |= _channels(stack)
    elif ranges and not stack.is_rgb:
        arguments["contrast_limits"] = ranges[0]
    data = levels if len(levels) > 1 else levels[0]
    return [(data, arguments | {"multiscale": len(levels) > 1}, "image")]


def _place(stack: Stack) -> dict[str, Any]:
    """Return scale, position, units and labels of the axes that napari shows."""
    metadata = stack.metadata
    shown = [i for i, axis in enumerate(stack.axes) if axis not in (CHANNEL, "s")]
    place = {
        "scale": [metadata.scale[i] for i in shown],
        "translate": [metadata.translation[i] for i in shown],
        "axis_labels": tuple(stack.axes[i] for i in shown),
    }
    units = [metadata.units[i] or NO_UNIT for i in shown]
    known = pint.get_application_registry()
    return place | {"units": tuple(unit if unit in known else NO_UNIT for unit in units)}


def _channels(stack: Stack) -> dict[str, Any]:
    axis, metadata = stack.axes.index(CHANNEL), stack.metadata
    n_channels = stack.shape[axis]
    arguments: dict[str, Any] = {"channel_axis": axis}
    if len(metadata.channel_names) == n_channels:
        arguments["name"] = [f"{stack.name} {name}" for name in metadata.channel_names]
    if len(metadata.channel_colors) == n_channels:
        arguments["colormap"] = [f"#{colour}" for colour in metadata.channel_colors]
    if len(metadata.display_ranges) == n_channels:
        arguments["contrast_limits"] = [tuple(limits) for limits in metadata.display_ranges]
    return arguments


def _levels(stack: Stack) -> list[Any]:
    """Return the levels of a pyramid, or the only array, sliced without reading everything."""
    if isinstance(stack.array, np.ndarray):
        return [stack.array]
    n_leading = len(stack.leading_shape)
    group = _group(stack)
    if group is None:
        return [as_dask(stack.array, (1,) * n_leading + stack.shape[n_leading:])]
    described: Any = group.attrs.get("ome", group.attrs.asdict())
    arrays: list[Any] = [group[level["path"]] for level in described["multiscales"][0]["datasets"]]
    levels = [as_dask(array, array.chunks) for array in arrays]
    if stack.is_rgb:  # stored as channels, which only time precedes
        levels = [np.moveaxis(level, int("t" in stack.axes), -1) for level in levels]
    return levels


def _record(stack: Stack) -> dict[str, Any]:
    """Return how a result of this plugin was made; empty for other images."""
    group = _group(stack)
    own: Any = {} if group is None else group.attrs.get(OWN_KEY, {})
    return {key: value for key, value in own.items() if key not in ("complete", "rgb")}


def _group(stack: Stack) -> zarr.Group | None:
    """Return the OME-Zarr image that a stack was opened from."""
    if stack.path is None or not stack.path.is_dir():
        return None
    try:
        return zarr.open_group(stack.path, mode="r")
    except (FileNotFoundError, ValueError, zarr.errors.BaseZarrError):
        return None
