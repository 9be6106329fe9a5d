"""Pixel sizes, units, channel names and axes that TIFF files describe."""

from typing import Any

import tifffile

from napari_clip_denoise.images.stack import Metadata
from napari_clip_denoise.images.units import unit_name

AXES_KEY = "clip_denoise_axes"
RESOLUTION_UNITS = {2: "inch", 3: "centimeter"}
Sizes = dict[str, tuple[float, str | None]]


def metadata_of(file: tifffile.TiffFile, number: int, axes: str) -> Metadata:
    """Return the metadata of an image in a TIFF file.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    number : int
        Number of the image among the series of the file.
    axes : str
        One lower-case letter per dimension.
    """
    names: tuple[str, ...] = ()
    if file.is_ome:
        pixels = _ome_pixels(file, number)
        sizes = _ome_sizes(pixels)
        channels = pixels.get("Channel", [])
        channels = channels if isinstance(channels, list) else [channels]
        names = tuple(str(channel.get("Name", "")) for channel in channels)
    elif file.is_imagej:
        sizes = _imagej_sizes(file)
    elif file.is_lsm:
        info = file.lsm_metadata or {}
        voxel = {axis: float(info.get(f"VoxelSize{axis.upper()}", 0)) for axis in "xyz"}
        sizes = {axis: (size * 1e6, "micrometer") for axis, size in voxel.items() if size > 0}
    else:
        sizes = _plain_sizes(file, number)
    has_names = any(names) and "c" in axes
    return Metadata(
        tuple(sizes.get(axis, (1.0, None))[0] for axis in axes),
        (0.0,) * len(axes),
        tuple(sizes.get(axis, (1.0, None))[1] for axis in axes),
        names if has_names else (),
    )


def own_axes(file: tifffile.TiffFile, axes: str) -> str:
    """Return the axes recorded by this program, which include those of length 1, or else `axes`."""
    if file.is_imagej:
        own = str((file.imagej_metadata or {}).get(AXES_KEY, axes))
    else:
        description = str(file.pages.first.description)
        _, _, rest = description.partition(f"{AXES_KEY}=")
        own = "".join(letter for letter in rest.split(";")[0] if letter.isalpha()) or axes
    return own if [a for a in own if a in axes] == list(axes) else axes


def expanded(metadata: Metadata, axes: str, known: dict[str, int]) -> Metadata:
    """Return the metadata of an image to which axes of length 1 were added.

    Parameters
    ----------
    metadata : Metadata
        Metadata of the image without them.
    axes : str
        All axes.
    known : dict of str to int
        Place of each former axis in `metadata`.
    """
    return Metadata(
        tuple(metadata.scale[known[a]] if a in known else 1.0 for a in axes),
        (0.0,) * len(axes),
        tuple(metadata.units[known[a]] if a in known else None for a in axes),
        metadata.channel_names,
    )


def _ome_pixels(file: tifffile.TiffFile, number: int) -> dict[str, Any]:
    images = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", {})
    images = images if isinstance(images, list) else [images]
    return images[number].get("Pixels", {}) if number < len(images) else {}


def _ome_sizes(pixels: dict[str, Any]) -> Sizes:
    sizes: Sizes = {}
    for axis in "xyz":
        size = _number(pixels.get(f"PhysicalSize{axis.upper()}"))
        if size:
            sizes[axis] = size, unit_name(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"))
    interval = _number(pixels.get("TimeIncrement"))
    if interval:
        sizes["t"] = interval, unit_name(pixels.get("TimeIncrementUnit", "s"))
    return sizes


def _imagej_sizes(file: tifffile.TiffFile) -> Sizes:
    info = file.imagej_metadata or {}
    unit = unit_name(info.get("unit"))
    sizes: Sizes = {}
    for axis, size in _pixel_sizes(file.pages.first).items():
        own = unit_name(info.get(f"{axis}unit")) or unit
        if own or size != 1:
            sizes[axis] = size, own
    spacing, interval = _number(info.get("spacing")), _number(info.get("finterval"))
    if spacing:
        sizes["z"] = abs(spacing), unit_name(info.get("zunit")) or unit
    if interval:
        sizes["t"] = interval, unit_name(info.get("tunit")) or "second"
    return sizes


def _plain_sizes(file: tifffile.TiffFile, number: int) -> Sizes:
    page = file.series[number].keyframe
    tag = page.tags.get("ResolutionUnit")
    unit = RESOLUTION_UNITS.get(2 if tag is None else int(tag.value))
    return {axis: (size, unit) for axis, size in _pixel_sizes(page).items()} if unit else {}


def _pixel_sizes(page: Any) -> dict[str, float]:
    """Return width and height of a pixel in the unit of the resolution, where they are given."""
    sizes = {}
    for axis, name in (("x", "XResolution"), ("y", "YResolution")):
        tag = page.tags.get(name)
        value = tag.value if tag is not None else None
        if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
            sizes[axis] = value[1] / value[0]
    return sizes


def _number(value: Any) -> float | None:
    """Return a finite number other than 0, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number and abs(number) < float("inf") else None
