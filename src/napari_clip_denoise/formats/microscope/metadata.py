"""Pixel sizes, time interval, channel names and colours that the readers of bioio find."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_clip_denoise.images.stack import Metadata
from napari_clip_denoise.images.units import unit_name

MICROMETERS = ("bioio-czi", "bioio-nd2", "bioio-lif", "bioio-dv")
"""Readers that give lengths in micrometres without saying so."""
TIMED = ("bioio-lif",)
"""Readers whose coordinates of time are in seconds."""
COLOURS = "./Metadata/DisplaySetting/Channels/Channel/Color"
"""Where the metadata of CZI files tell the colours of the channels."""
HEX_DIGITS = 6


def metadata_of(reader: Any, name: str, image: Any, axes: str) -> Metadata:
    """Return the metadata of an image.

    Parameters
    ----------
    reader : bioio_base.reader.Reader
        The reader, with the image chosen.
    name : str
        Name of the reader on PyPI.
    image : xarray.DataArray
        The image.
    axes : str
        One lower-case letter per dimension.
    """
    steps, kinds = reader.scale, reader.dimension_properties
    sizes = []
    for axis in axes:
        step = getattr(steps, axis.upper(), None)
        unit = unit_name(getattr(getattr(kinds, axis.upper(), None), "unit", None))
        if axis == "t":
            step = _interval(image) if step is None and name in TIMED else step
            unit = unit or "second"
        elif axis in "zyx" and name in MICROMETERS:
            unit = unit or "micrometer"
        if step is None or not math.isfinite(step) or step <= 0:
            step, unit = 1.0, None
        sizes.append((float(step), unit))
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    if "c" in axes:
        n_channels = image.shape[axes.index("c")]
        names = _each([str(one) for one in reader.channel_names or ()], n_channels)
        colours = _each(_colours(reader), n_channels)
    return Metadata(
        tuple(size for size, _ in sizes),
        (0.0,) * len(axes),
        tuple(unit for _, unit in sizes),
        names,
        colours,
    )


def _interval(image: Any) -> float | None:
    """Return the time between the first two time points, in seconds."""
    return float(np.ptp(image.coords["T"].values[:2])) if "T" in image.coords else None


def _colours(reader: Any) -> list[str]:
    """Return the RRGGBB colours of the channels; empty if the file does not tell them."""
    metadata = reader.metadata
    if hasattr(metadata, "findall"):
        found = [str(node.text or "") for node in metadata.findall(COLOURS)]
        return [text[-HEX_DIGITS:].upper() for text in found if len(text) > HEX_DIGITS]
    try:
        images = (metadata if hasattr(metadata, "images") else reader.ome_metadata).images
    except Exception:  # the reader has no OME metadata, or makes none that are valid
        return []
    number = reader.current_scene_index
    channels = images[number if number < len(images) else 0].pixels.channels if images else ()
    given = [one.color for one in channels if "color" in one.model_fields_set]
    return ["".join(f"{value:02X}" for value in one.as_rgb_tuple(alpha=False)) for one in given]


def _each(values: Sequence[str], n_channels: int) -> tuple[str, ...]:
    """Return values that are there for each channel, or none."""
    return tuple(values) if len(values) == n_channels and any(values) else ()
