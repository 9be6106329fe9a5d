"""MRC files of electron microscopy and tomography, read and written with mrcfile.

The format is MRC2014 (Cheng et al., Journal of Structural Biology, 2015).
"""

from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.base import PartialFile
from napari_clip_denoise.images.stack import Metadata, Stack, as_stack
from napari_clip_denoise.optional import from_extra

with from_extra("mrc", "MRC files"):
    import mrcfile

ORDER = "tzyx"
"""Axes of a stack of volumes; files of fewer dimensions have the last of these."""
ANGSTROMS = {"angstrom": 1.0, "nanometer": 10.0, "micrometer": 1e4, "millimeter": 1e7}
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
    try:
        with mrcfile.mmap(path, mode="r") as file:
            array, header = file.data, file.header
            voxel = tuple(float(file.voxel_size[axis]) for axis in "zyx")
    except (ValueError, OSError) as error:
        raise InputError(
            f"The MRC file {path} cannot be read ({error}); it may be damaged."
        ) from error
    letters = ORDER[len(ORDER) - array.ndim :]
    origin = tuple(float(header.origin[axis]) for axis in "zyx")
    return as_stack(
        array,
        axes or letters,
        metadata=_metadata(letters, voxel, origin),
        name=path.stem,
        path=path,
    )


class MrcWriter(PartialFile):
    """Writes an MRC file, region by region.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels: one of `TYPES`.

    Raises
    ------
    InputError
        If MRC does not support the axes or the type.
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
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
        super().__init__(path, stack, overwrite=overwrite)
        try:
            self._file: Any = mrcfile.new_mmap(
                self.partial, stack.shape, mrc_mode=mrcfile.utils.mode_from_dtype(dtype)
            )
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        if stack.axes == "tyx":
            self._file.set_image_stack()
        elif stack.axes == "zyx":
            self._file.set_volume()
        self._describe(stack)
        self.array: Any = self._file.data

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        self.array[index] = block

    def _describe(self, stack: Stack) -> None:
        sizes, starts = dict.fromkeys("zyx", 0.0), dict.fromkeys("zyx", 0.0)
        known = stack.metadata
        for axis, scale, start, unit in zip(
            stack.axes, known.scale, known.translation, known.units, strict=True
        ):
            if axis in sizes and unit in ANGSTROMS:
                sizes[axis], starts[axis] = scale * ANGSTROMS[unit], start * ANGSTROMS[unit]
        self._file.voxel_size = (sizes["x"], sizes["y"], sizes["z"])
        for axis, start in starts.items():
            self._file.header.origin[axis] = start

    def _close(self) -> None:
        """Compute the header's statistics plane by plane, and close the file."""
        planes = self.array.reshape(-1, *self.array.shape[-2:])
        lows, highs, means, squares = [], [], [], []
        for plane in planes:
            exact = np.asarray(plane, np.float64)
            lows.append(exact.min())
            highs.append(exact.max())
            means.append(exact.mean())
            squares.append(np.square(exact).mean())
        header, mean = self._file.header, float(np.mean(means))
        header.dmin, header.dmax, header.dmean = min(lows), max(highs), mean
        header.rms = max(0.0, float(np.mean(squares)) - mean**2) ** 0.5
        self._discard()

    def _discard(self) -> None:
        self.array = None
        if getattr(self, "_file", None) is not None:
            self._file.close()
            self._file = None


def _metadata(axes: str, voxel: tuple[float, ...], origin: tuple[float, ...]) -> Metadata:
    """Convert voxel size and origin from angstroms to nanometres, which all formats support."""
    by_axis = dict(zip("zyx", zip(voxel, origin, strict=True), strict=True))
    scale, translation, units = [], [], []
    for axis in axes:
        size, start = by_axis.get(axis, (0.0, 0.0))
        is_known = size > 0
        scale.append(size * ANGSTROMS["angstrom"] / ANGSTROMS[UNIT] if is_known else 1.0)
        translation.append(start / ANGSTROMS[UNIT] if is_known else 0.0)
        units.append(UNIT if is_known else None)
    return Metadata(tuple(scale), tuple(translation), tuple(units))
