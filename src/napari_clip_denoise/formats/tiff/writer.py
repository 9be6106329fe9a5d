"""Writing of TIFF, OME-TIFF and ImageJ files, region by region."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.flat import FlatWriter
from napari_clip_denoise.formats.tiff.metadata import AXES_KEY
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.images.units import LENGTHS, TIMES

BIGTIFF_BYTES = 39 * 10**8
IMAGEJ_ORDER = "tzcyx"
OME_TYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
PIXELS = "pixel"
"""Unit of sizes that are relative to those of another image."""


def _is_ome(path: Path) -> bool:
    return path.name.lower().endswith((".ome.tif", ".ome.tiff"))


def check_tiff(path: Path, stack: Stack, dtype: np.dtype) -> None:
    """Raise an `InputError` if OME-TIFF is asked for and cannot hold the type of the pixels."""
    if _is_ome(path) and dtype.name not in OME_TYPES:
        raise InputError(
            f"OME-TIFF cannot hold pixels of type {dtype}; ask for another type of the "
            "result, such as float32, or write .ome.zarr or .tif."
        )


class TiffWriter(FlatWriter):
    """Writes an uncompressed TIFF: OME-TIFF by suffix, else for ImageJ if it supports the image.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels.

    Raises
    ------
    InputError
        If TIFF cannot hold the axes.
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        is_ome = _is_ome(path)
        super().__init__(path, stack, overwrite=overwrite)
        dtype = dtype.newbyteorder("=")
        in_order = not is_ome and stack.source_axes and not stack.is_rgb
        axes = stack.source_axes if in_order else stack.axes
        sizes = dict(zip(stack.axes, stack.shape, strict=True))
        shape = tuple(sizes[axis] for axis in axes)
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        big = n_bytes > BIGTIFF_BYTES
        positions = [IMAGEJ_ORDER.find(axis) for axis in axes]
        fits_imagej = (
            dtype in (np.dtype("u1"), np.dtype("u2"), np.dtype("f4"))
            and not is_ome
            and not big
            and min(positions) >= 0
            and positions == sorted(positions)
        )
        options = _imagej_options(stack) if fits_imagej else _other_options(stack, axes, is_ome)
        try:
            offset, _ = tifffile.imwrite(
                self.partial,
                shape=shape,
                dtype=dtype,
                bigtiff=big,
                photometric="rgb" if stack.is_rgb else "minisblack",
                returnoffset=True,
                **options,
            )
            self._open(dtype, shape, offset, axes)
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        except ValueError as error:
            self.abort()
            raise InputError(
                f"TIFF cannot hold the axes {axes} ({error}); name them otherwise, such as tczyx, "
                "or write .npy."
            ) from error


def _other_options(stack: Stack, axes: str, is_ome: bool) -> dict[str, Any]:
    """Return options of `tifffile.imwrite` for OME-TIFF, or TIFF that describes its axes."""
    info: dict[str, Any] = {"axes": axes.upper(), "Description": f"{AXES_KEY}={axes};"}
    for axis, scale, unit in zip(
        stack.axes, stack.metadata.scale, stack.metadata.units, strict=True
    ):
        symbol = LENGTHS.get(unit or "") or (PIXELS if unit is None and scale != 1 else None)
        if axis in "xyz" and symbol:
            info[f"PhysicalSize{axis.upper()}"] = scale
            info[f"PhysicalSize{axis.upper()}Unit"] = symbol
        if axis == "t" and unit in TIMES:
            info["TimeIncrement"], info["TimeIncrementUnit"] = scale, TIMES[unit]
    if stack.metadata.channel_names and "c" in stack.axes:
        info["Channel"] = {"Name": list(stack.metadata.channel_names)}
    return {"ome": is_ome, "metadata": info}


def _imagej_options(stack: Stack) -> dict[str, Any]:
    sizes = dict(zip(stack.axes, stack.metadata.scale, strict=True))
    units = dict(zip(stack.axes, stack.metadata.units, strict=True))
    info: dict[str, Any] = {"axes": stack.axes.upper(), AXES_KEY: stack.axes}
    options: dict[str, Any] = {"imagej": True, "metadata": info}
    known = [units[axis] for axis in "xyz" if units.get(axis) in LENGTHS]
    if known or any(sizes.get(axis, 1) != 1 for axis in "xyz"):
        unit = known[0] or PIXELS if known else PIXELS
        info["unit"] = _imagej_unit(unit)
        options["resolution"] = (1 / sizes["x"], 1 / sizes["y"])
        for axis, key in (("y", "yunit"), ("z", "zunit")):
            if units.get(axis) in LENGTHS and units[axis] != unit:
                info[key] = _imagej_unit(str(units[axis]))
        if "z" in sizes:
            info["spacing"] = sizes["z"]
    if "t" in sizes and units["t"] in TIMES:
        info["finterval"] = sizes["t"]
        if units["t"] != "second":
            info["tunit"] = str(units["t"])
    return options


def _imagej_unit(unit: str) -> str:
    """Return the symbol of a unit as ImageJ writes it, in ASCII."""
    symbol = LENGTHS.get(unit, unit).replace("µ", "u")
    return symbol if symbol.isascii() else unit
