"""TIFF, OME-TIFF and ImageJ files, read lazily and written region by region."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.base import PartialFile
from napari_clip_denoise.images.stack import Metadata, Stack, as_dask, as_stack

BIGTIFF_BYTES = 39 * 10**8
IMAGEJ_ORDER = "tzcyx"
AXES_KEY = "clip_denoise_axes"
_UNITS = {
    "µm": "micrometer",
    "um": "micrometer",
    "\\u00B5m": "micrometer",
    "micron": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "s": "second",
    "sec": "second",
    "ms": "millisecond",
    "min": "minute",
}
_SYMBOLS = {
    "micrometer": "µm",
    "nanometer": "nm",
    "millimeter": "mm",
    "second": "s",
    "millisecond": "ms",
    "minute": "min",
}


def read_tiff(path: Path, axes: str | None) -> Stack:
    """Open the first series of a TIFF file at full resolution.

    Raises
    ------
    InputError
        If the file is damaged, or the axes do not match it.
    """
    try:
        file = tifffile.TiffFile(path)
        series = file.series[0]
        array = zarr.open(series.aszarr(level=0), mode="r")
        letters = series.axes.lower()
        metadata = _metadata(file, letters)
    except (tifffile.TiffFileError, IndexError, ValueError, OSError, KeyError) as error:
        raise InputError(f"{path} cannot be read as TIFF; the file may be damaged.") from error
    if axes is None and "s" in letters[:-1]:
        where = letters.index("s")
        order = [*range(where), *range(where + 1, len(letters)), where]
        array = as_dask(array, array.chunks).transpose(order)  # type: ignore[union-attr]
        metadata = metadata.reordered(order)
        letters = letters.replace("s", "") + "s"
    own = _own_axes(file, letters)
    if axes is None and own != letters:
        shape = dict(zip(letters, array.shape, strict=True))  # type: ignore[union-attr]
        known = dict(zip(letters, range(len(letters)), strict=True))
        array = as_dask(array, "auto").reshape([shape.get(a, 1) for a in own])
        metadata = _expanded(metadata, own, known)
        letters = own
    if axes is None and not letters.removesuffix("s").endswith("yx"):
        letters = ""
    return as_stack(
        array, axes or letters or None, metadata=metadata, name=path.name.split(".")[0], path=path
    )


class TiffWriter(PartialFile):
    """Writes an uncompressed TIFF: OME-TIFF by suffix, else for ImageJ if it supports the image.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        super().__init__(path, stack, overwrite=overwrite)
        n_bytes = int(np.prod(stack.shape, dtype=np.int64)) * dtype.itemsize
        big = n_bytes > BIGTIFF_BYTES
        is_ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
        positions = [IMAGEJ_ORDER.find(axis) for axis in stack.axes]
        fits_imagej = (
            dtype in (np.dtype("u1"), np.dtype("u2"), np.dtype("f4"))
            and not big
            and min(positions) >= 0
            and positions == sorted(positions)
        )
        if not is_ome and fits_imagej:
            options = _imagej_options(stack)
        else:
            options = {"ome": is_ome, "metadata": _ome_metadata(stack)}
        try:
            self.array: Any = tifffile.memmap(
                self.partial,
                shape=stack.shape,
                dtype=dtype,
                bigtiff=big,
                photometric="rgb" if stack.is_rgb else "minisblack",
                **options,
            )
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        self.array[index] = block

    def _close(self) -> None:
        if self.array is not None:
            self.array.flush()
            self.array = None


def _metadata(file: tifffile.TiffFile, axes: str) -> Metadata:
    scale = dict.fromkeys(axes, 1.0)
    units: dict[str, str | None] = dict.fromkeys(axes)
    names: tuple[str, ...] = ()
    if file.is_ome:
        pixels = _ome_pixels(file)
        for axis in "xyz":
            if f"PhysicalSize{axis.upper()}" in pixels:
                scale[axis] = float(pixels[f"PhysicalSize{axis.upper()}"])
                units[axis] = _UNITS.get(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"))
        if "TimeIncrement" in pixels:
            scale["t"] = float(pixels["TimeIncrement"])
            units["t"] = _UNITS.get(pixels.get("TimeIncrementUnit", "s"))
        channels = pixels.get("Channel", [])
        channels = channels if isinstance(channels, list) else [channels]
        names = tuple(channel.get("Name", "") for channel in channels)
    elif file.is_imagej:
        info = file.imagej_metadata or {}
        unit = _UNITS.get(str(info.get("unit", "")))
        for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
            value = file.pages.first.tags.get(tag)
            if unit and value is not None and value.value[0]:
                scale[axis], units[axis] = value.value[1] / value.value[0], unit
        if unit and "spacing" in info:
            scale["z"], units["z"] = float(info["spacing"]), unit
        if "finterval" in info:
            scale["t"], units["t"] = float(info["finterval"]), "second"
    has_names = any(names) and "c" in axes
    return Metadata(
        tuple(scale[axis] for axis in axes),
        (0.0,) * len(axes),
        tuple(units[axis] for axis in axes),
        names if has_names else (),
    )


def _ome_pixels(file: tifffile.TiffFile) -> dict[str, Any]:
    image = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", {})
    image = image[0] if isinstance(image, list) else image
    return image.get("Pixels", {})


def _own_axes(file: tifffile.TiffFile, axes: str) -> str:
    """Return the axes recorded by this program, which include those of length 1, or else `axes`."""
    if file.is_imagej:
        own = str((file.imagej_metadata or {}).get(AXES_KEY, axes))
    else:
        description = str(file.pages.first.description)
        _, _, rest = description.partition(f"{AXES_KEY}=")
        own = "".join(letter for letter in rest.split(";")[0] if letter.isalpha()) or axes
    return own if [a for a in own if a in axes] == list(axes) else axes


def _expanded(metadata: Metadata, axes: str, known: dict[str, int]) -> Metadata:
    return Metadata(
        tuple(metadata.scale[known[a]] if a in known else 1.0 for a in axes),
        (0.0,) * len(axes),
        tuple(metadata.units[known[a]] if a in known else None for a in axes),
        metadata.channel_names,
    )


def _ome_metadata(stack: Stack) -> dict[str, Any]:
    info: dict[str, Any] = {
        "axes": stack.axes.upper(),
        "Description": f"{AXES_KEY}={stack.axes};",
    }
    for axis, scale, unit in zip(
        stack.axes, stack.metadata.scale, stack.metadata.units, strict=True
    ):
        symbol = _SYMBOLS.get(unit or "")
        if axis in "xyz" and symbol:
            info[f"PhysicalSize{axis.upper()}"] = scale
            info[f"PhysicalSize{axis.upper()}Unit"] = symbol
        if axis == "t" and symbol:
            info["TimeIncrement"], info["TimeIncrementUnit"] = scale, symbol
    if stack.metadata.channel_names and "c" in stack.axes:
        info["Channel"] = {"Name": list(stack.metadata.channel_names)}
    return info


def _imagej_options(stack: Stack) -> dict[str, Any]:
    sizes = dict(zip(stack.axes, stack.metadata.scale, strict=True))
    units = dict(zip(stack.axes, stack.metadata.units, strict=True))
    info: dict[str, Any] = {"axes": stack.axes.upper(), AXES_KEY: stack.axes}
    options: dict[str, Any] = {"imagej": True, "metadata": info}
    if units["x"] in _SYMBOLS:
        info["unit"] = "um" if units["x"] == "micrometer" else _SYMBOLS[units["x"]]
        options["resolution"] = (1 / sizes["x"], 1 / sizes["y"])
        if "z" in sizes:
            info["spacing"] = sizes["z"]
    if "t" in sizes and units["t"] == "second":
        info["finterval"] = sizes["t"]
    return options
