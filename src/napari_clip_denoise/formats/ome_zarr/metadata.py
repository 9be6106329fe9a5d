"""Conversion between OME-NGFF metadata and `Metadata`."""

from collections.abc import Sequence
from string import hexdigits
from typing import Any

import numpy as np
import zarr
from yaozarrs import v04, v05

from napari_clip_denoise.images.axes import name_axes
from napari_clip_denoise.images.stack import Metadata
from napari_clip_denoise.images.units import NGFF, unit_name

ORDER = "tczyx"
KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
RGB = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"), ("alpha", "FFFFFF"))
LETTERS = {"time": "t", "channel": "c"}
WHITE = "FFFFFF"


def ome_of(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the OME-Zarr metadata among the attributes of a group: of 0.5, or all of 0.4."""
    ome: Any = attributes.get("ome", attributes)
    return ome if isinstance(ome, dict) else {}


def axes_of(multiscale: dict[str, Any], ndim: int) -> str:
    """Return one letter per dimension, or ``""`` if the metadata names no axes (before 0.4)."""
    axes = multiscale.get("axes") or []
    if len(axes) != ndim:
        return ""
    names = [axis["name"] if isinstance(axis, dict) else str(axis) for axis in axes]
    kinds = [axis.get("type") if isinstance(axis, dict) else None for axis in axes]
    known = [LETTERS.get(str(kind), name) for kind, name in zip(kinds, names, strict=True)]
    return name_axes(known)


def metadata_of(
    multiscale: dict[str, Any], omero: dict[str, Any] | None, axes: str, ndim: int
) -> Metadata:
    """Return scale, translation, units and channels of the full resolution.

    Parameters
    ----------
    multiscale : dict
        An entry of the OME-NGFF ``multiscales`` metadata.
    omero : dict or None
        The ``omero`` metadata, if any.
    axes : str
        One letter per dimension of the array, or ``""`` if unknown.
    ndim : int
        Number of dimensions of the array.
    """
    scale, translation = np.ones(ndim), np.zeros(ndim)
    transforms = [
        *multiscale["datasets"][0].get("coordinateTransformations", []),
        *multiscale.get("coordinateTransformations", []),
    ]
    for transform in transforms:
        if "scale" in transform:
            factors = _vector(transform["scale"], ndim)
            scale, translation = scale * factors, translation * factors
        elif "translation" in transform:
            translation = translation + _vector(transform["translation"], ndim)
    described = multiscale.get("axes") or [None] * ndim
    units = [unit_name(axis.get("unit")) if isinstance(axis, dict) else None for axis in described]
    if not axes or len(units) != ndim:
        units = [None] * ndim
    channels = (omero or {}).get("channels") or []
    channels = [channel if isinstance(channel, dict) else {} for channel in channels]
    windows = [channel.get("window") or {} for channel in channels]
    ranges = [_range(window) for window in windows]
    return Metadata(
        tuple(scale.tolist()),
        tuple(translation.tolist()),
        tuple(units),
        tuple(str(channel.get("label") or "") for channel in channels),
        tuple(_color(channel.get("color")) for channel in channels),
        tuple(r for r in ranges if r) if all(ranges) else (),
    )


def _vector(values: Any, ndim: int) -> np.ndarray:
    vector = np.array(values, float)
    if vector.shape != (ndim,) or not np.isfinite(vector).all():
        raise ValueError(f"{values} does not fit {ndim} axes")
    return vector


def _range(window: dict[str, Any]) -> tuple[float, float] | None:
    """Return the display range of a channel, or None if it is not usable."""
    try:
        start, end = float(window["start"]), float(window["end"])
    except (KeyError, TypeError, ValueError):
        return None
    return (start, end) if np.isfinite([start, end]).all() else None


def _color(value: Any) -> str:
    """Return a colour as ``"RRGGBB"``; white for words, as OME-NGFF has no other notation."""
    text = str(value or "").strip().lstrip("#").upper()
    is_hex = len(text) in (6, 8) and all(letter in hexdigits for letter in text)
    return text[:6] if is_hex else WHITE


def image_metadata(
    name: str,
    axes: str,
    metadata: Metadata,
    *,
    n_levels: int,
    omero: dict[str, Any],
    version: str,
) -> dict[str, Any]:
    """Return the OME-Zarr 0.4 or 0.5 metadata of a pyramid whose levels halve Y and X.

    Parameters
    ----------
    name : str
        Name of the image.
    axes : str
        Stored axes, one letter each.
    metadata : Metadata
        Metadata of the full resolution, in the order of `axes`.
    n_levels : int
        Number of levels of the pyramid.
    omero : dict
        Channel metadata, see `omero_metadata`.
    version : {"0.4", "0.5"}
        OME-Zarr version.
    """
    described = []
    for axis, unit in zip(axes, metadata.units, strict=True):
        entry: dict[str, str] = {"name": axis, "type": KINDS[axis]}
        if unit in NGFF.get(KINDS[axis], ()):
            entry["unit"] = str(unit)
        described.append(entry)
    datasets = []
    for level in range(n_levels):
        factor = np.array([2.0**level if axis in "yx" else 1.0 for axis in axes])
        shift = (factor - 1) / 2 * np.array(metadata.scale)
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": (factor * metadata.scale).tolist()},
                    {
                        "type": "translation",
                        "translation": (np.array(metadata.translation) + shift).tolist(),
                    },
                ],
            }
        )
    multiscale = {"name": name, "axes": described, "datasets": datasets, "type": "mean"}
    image: v04.Image | v05.Image
    if version == "0.4":
        multiscale["version"] = version
        image = v04.Image.model_validate({"multiscales": [multiscale], "omero": omero})
    else:
        content = {"version": version, "multiscales": [multiscale], "omero": omero}
        image = v05.Image.model_validate(content)
    return image.model_dump(mode="json", exclude_none=True)


def omero_metadata(
    axes: str, metadata: Metadata, levels: Sequence[zarr.Array], *, rgb: bool
) -> dict[str, Any]:
    """Return names, colours and display ranges of the channels.

    Parameters
    ----------
    axes : str
        Stored axes, one letter each.
    metadata : Metadata
        Its channel names, colours and display ranges are used if there is one per channel.
    levels : sequence of zarr.Array
        The pyramid; the default display ranges come from its smallest level.
    rgb : bool
        Whether the channels are RGB(A) samples.
    """
    n_channels = levels[-1].shape[axes.index("c")] if "c" in axes else 1
    channels = []
    for channel in range(n_channels):
        label, color = RGB[channel] if rgb else (f"channel {channel}", WHITE)
        if len(metadata.channel_names) == n_channels:
            label = metadata.channel_names[channel]
        if len(metadata.channel_colors) == n_channels:
            color = metadata.channel_colors[channel]
        low, high = _extent(levels[-1], axes, channel)
        start, end = low, high
        if len(metadata.display_ranges) == n_channels:
            start, end = metadata.display_ranges[channel]
        window = {"min": min(low, start), "max": max(high, end), "start": start, "end": end}
        channels.append({"label": label, "color": color, "active": True, "window": window})
    return {"channels": channels, "rdefs": {"model": "color" if n_channels > 1 else "greyscale"}}


def _extent(level: zarr.Array, axes: str, channel: int) -> tuple[float, float]:
    """Return the finite minimum and maximum of the middle planes of a channel."""
    index = tuple(
        slice(channel, channel + 1)
        if axis == "c"
        else slice(None)
        if axis in "yx"
        else slice(size // 2, size // 2 + 1)
        for axis, size in zip(axes, level.shape, strict=True)
    )
    values = np.asarray(level[index])
    values = values[np.isfinite(values)]
    if not values.size or values.min() == values.max():
        return 0.0, max(1.0, float(values.max()) if values.size else 1.0)
    return float(values.min()), float(values.max())
