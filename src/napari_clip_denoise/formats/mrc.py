"""MRC files of electron microscopy and tomography, read and written with mrcfile.

The format is MRC2014 (Cheng et al., Journal of Structural Biology, 2015).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.flat import FlatWriter
from napari_clip_denoise.formats.reading import file_errors
from napari_clip_denoise.images.stack import Metadata, Stack, as_stack
from napari_clip_denoise.images.units import converted
from napari_clip_denoise.optional import from_extra

with from_extra("mrc", "MRC files"):
    import mrcfile

ORDER = "tzyx"
"""Axes of a stack of volumes; files of fewer dimensions have the last of these."""
ANGSTROMS_PER_UNIT = 10.0
UNIT = "nanometer"
TYPES = ("int8", "int16", "uint16", "float16", "float32")


def read_mrc(path: Path, axes: str | None) -> Stack:
    """Open an MRC file as a memory map.

    Parameters
    ----------
    path : Path
        An image, an image stack, a volume or a stack of volumes.
    axes : str, optional
        Axes to use instead of ``yx``, ``zyx`` or ``tzyx``.

    Returns
    -------
    Stack
        The image, with voxel sizes in nanometres.

    Raises
    ------
    InputError
        If the file is damaged or holds complex numbers.
    """
    with (
        file_errors(f"The MRC file {path} cannot be read; it may be damaged."),
        mrcfile.mmap(path, mode="r") as file,
    ):
        array, header = file.data, file.header
        voxel = tuple(float(file.voxel_size[axis]) for axis in "zyx")
        origin = tuple(float(header.origin[axis]) for axis in "zyx")
    letters = ORDER[len(ORDER) - array.ndim :]
    return as_stack(
        array,
        axes or letters,
        metadata=_metadata(letters, voxel, origin),
        name=path.stem,
        path=path,
    )


def check_mrc(path: Path, stack: Stack, dtype: np.dtype) -> None:
    """Raise an `InputError` if MRC cannot hold a stack; for arguments see `MrcWriter`."""
    if dtype.name not in TYPES:
        raise InputError(
            f"MRC cannot hold pixels of type {dtype}; ask for another type of the result, such "
            "as float32 or uint16, or write .ome.zarr or .tif."
        )
    if stack.axes not in ("yx", "zyx", "tyx", ORDER):
        raise InputError(
            f"MRC cannot hold the axes {stack.axes}; it has planes, volumes (zyx) and stacks "
            "of volumes (tzyx), so name the axes so, or write .ome.zarr or .tif."
        )


class MrcWriter(FlatWriter):
    """Writes an MRC file, region by region.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels: one of `TYPES`.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        super().__init__(path, stack, overwrite=overwrite)
        dtype = dtype.newbyteorder("=")
        try:
            self._write_header(dtype)
            self._open(dtype, stack.shape, self.partial.stat().st_size, stack.axes)
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error

    def _write_header(self, dtype: np.dtype) -> None:
        """Write the header of an image of the stack's shape, without its pixels."""
        with mrcfile.new(self.partial, overwrite=True) as file:
            file.set_data(np.zeros((1,) * self.stack.ndim, dtype))
            if self.stack.axes == "tyx":
                file.set_image_stack()
            elif self.stack.axes == "zyx":
                file.set_volume()
            header = file.header
            sizes = dict(zip(self.stack.axes, self.stack.shape, strict=True))
            depth = sizes.get("z", 1)
            header.nx = header.mx = sizes["x"]
            header.ny = header.my = sizes["y"]
            header.nz = sizes.get("t", 1) * depth
            header.mz = depth
            self._describe(header)
            header_bytes = header.nbytes + file.extended_header.nbytes
        os.truncate(self.partial, header_bytes)

    def _describe(self, header: Any) -> None:
        """Record the voxel size and the origin."""
        known = self.stack.metadata
        cells = dict.fromkeys("zyx", 0.0)
        for axis, scale, start, unit in zip(
            self.stack.axes, known.scale, known.translation, known.units, strict=True
        ):
            size = converted(scale, unit, "angstrom")
            if axis in cells and size is not None:
                cells[axis] = size
                header.origin[axis] = converted(start, unit, "angstrom")
        for axis, size in cells.items():
            header.cella[axis] = size * int(header[f"m{axis}"])

    def _close(self) -> None:
        """Compute the header's statistics plane by plane, and close the file."""
        if self.array is None:
            return
        lows, highs, means, squares = [], [], [], []
        for position in np.ndindex(*self.stack.leading_shape):
            exact = np.asarray(self.array[position], np.float64)
            lows.append(exact.min())
            highs.append(exact.max())
            means.append(exact.mean())
            squares.append(np.square(exact).mean())
        super()._close()
        mean = float(np.mean(means))
        with mrcfile.mmap(self.partial, mode="r+") as file:
            header = file.header
            header.dmin, header.dmax, header.dmean = min(lows), max(highs), mean
            header.rms = max(0.0, float(np.mean(squares)) - mean**2) ** 0.5


def _metadata(axes: str, voxel: tuple[float, ...], origin: tuple[float, ...]) -> Metadata:
    """Convert voxel size and origin from angstroms to nanometres, which all formats support."""
    by_axis = dict(zip("zyx", zip(voxel, origin, strict=True), strict=True))
    scale, translation, units = [], [], []
    for axis in axes:
        size, start = by_axis.get(axis, (0.0, 0.0))
        is_known = size > 0
        scale.append(size / ANGSTROMS_PER_UNIT if is_known else 1.0)
        translation.append(start / ANGSTROMS_PER_UNIT if is_known else 0.0)
        units.append(UNIT if is_known else None)
    return Metadata(tuple(scale), tuple(translation), tuple(units))
