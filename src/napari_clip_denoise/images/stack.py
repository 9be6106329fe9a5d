"""Lazily read images of any size."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr

from napari_clip_denoise.errors import ClipDenoiseError, InputError
from napari_clip_denoise.images.arrays import Acquire, decode, plain_array
from napari_clip_denoise.images.axes import infer_axes, leading_axes, plane_last, read_axes
from napari_clip_denoise.images.opening import Opening

REGION_PIXELS = 2**22


@dataclass(frozen=True)
class Metadata:
    """Physical scale, units and channels of an image.

    Attributes
    ----------
    scale, translation : tuple of float
        Pixel size and position of the first pixel along each axis, in `units`.
    units : tuple of (str or None)
        Unit of each axis, such as ``"micrometer"`` or ``"second"``; None if unknown.
    channel_names : tuple of str
        Name of each channel, or empty.
    channel_colors : tuple of str
        ``"RRGGBB"`` colour of each channel, or empty.
    display_ranges : tuple of (float, float)
        Contrast limits of each channel, or empty.
    """

    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str | None, ...]
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str, ...] = ()
    display_ranges: tuple[tuple[float, float], ...] = ()

    @classmethod
    def default(cls, ndim: int) -> Self:
        """Return metadata with unit scale, zero translation and unknown units."""
        return cls((1.0,) * ndim, (0.0,) * ndim, (None,) * ndim)

    def reordered(self, order: Sequence[int]) -> Self:
        """Return the metadata of the array transposed to `order`."""
        return replace(
            self,
            scale=tuple(self.scale[i] for i in order),
            translation=tuple(self.translation[i] for i in order),
            units=tuple(self.units[i] for i in order),
        )


@dataclass(frozen=True)
class Stack:
    """An nD image with its axes and metadata, read lazily.

    Attributes
    ----------
    array : array-like
        NumPy, dask or zarr array, or any object with shape, dtype and NumPy-like slicing.
    axes : str
        One letter per dimension, see `napari_clip_denoise.images.axes`.
    metadata : Metadata
        Physical scale, units and channels.
    name : str
        Display name.
    path : Path or None
        The file or store it was opened from.
    is_private : bool
        Whether the path may identify a patient, so that it must not be stored with results.
    source_axes : str
        Axes in the order of the source, which `array` has with the plane last; ``""`` if equal.
    opening : Opening or None
        Describes how `formats.open_stack` opens the same stack again; None for an array.
    padding : (float, float) or None
        Lowest and highest value of pixels outside the field of view, which are never touched.
    low_is_white : bool
        Whether the file asks viewers to show low values white; the values are as stored.
    """

    array: Any
    axes: str
    metadata: Metadata
    name: str = "image"
    path: Path | None = None
    is_private: bool = False
    source_axes: str = ""
    opening: Opening | None = None
    padding: tuple[float, float] | None = None
    low_is_white: bool = False

    @property
    def origin(self) -> str:
        """The source as recorded in results: path or URL, or the name if that is private."""
        if self.is_private or (self.path is None and self.opening is None):
            return self.name
        return str(self.path or self.opening.shown)  # type: ignore[union-attr]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes."""
        return tuple(int(size) for size in self.array.shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels."""
        return np.dtype(self.array.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def is_rgb(self) -> bool:
        """True if the last axis is RGB samples."""
        return self.axes.endswith("s")

    @cached_property
    def leading_shape(self) -> tuple[int, ...]:
        """Sizes of the axes before the plane."""
        return self.shape[: len(leading_axes(self.axes))]

    @cached_property
    def plane_shape(self) -> tuple[int, int]:
        """Shape (Y, X) of a plane."""
        height, width = self.shape[len(self.leading_shape) :][:2]
        return height, width

    @property
    def n_planes(self) -> int:
        """Number of planes."""
        return int(np.prod(self.leading_shape, dtype=np.int64))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read the whole image into memory; see `numpy.asarray`."""
        return np.asarray(self.array, dtype, copy=copy)

    def in_source_order(self, array: Any) -> Any:
        """Transpose an array with this stack's axes to the order of the source, as a view."""
        if not self.source_axes:
            return array
        return array.transpose([self.axes.index(axis) for axis in self.source_axes])

    def whole_planes(self) -> tuple[int, ...]:
        """Return the shape of a region of whole planes: a few megapixels, or a single plane."""
        leading = [1] * len(self.leading_shape)
        if leading:
            height, width = self.plane_shape
            leading[-1] = min(self.leading_shape[-1], max(1, REGION_PIXELS // (height * width)))
        return (*leading, *self.shape[len(leading) :])

    def read(self, index: tuple[slice, ...], acquire: Acquire = np.empty) -> np.ndarray:
        """Read a part into memory.

        Parameters
        ----------
        index : tuple of slice
            One slice per axis.
        acquire : callable
            Takes a shape and a type and returns an uninitialised array for decoded pixels.

        Raises
        ------
        InputError
            If the pixels cannot be read or decoded.
        """
        try:
            if isinstance(self.array, zarr.Array):
                return decode(self.array, index, acquire)
            part = self.array[index]
            if is_dask(part):
                part = part.compute(scheduler="synchronous")
            return np.asarray(part)
        except (ClipDenoiseError, MemoryError):
            raise
        except Exception as error:  # decoders raise various errors for damaged pixels
            raise InputError(
                f"The pixels of {self.origin} cannot be read ({type(error).__name__}: {error}); it "
                "may be damaged or have changed, so get it again."
            ) from error

    def read_plane(self, position: Sequence[int], window: tuple[slice, slice]) -> np.ndarray:
        """Read a window of a plane into memory.

        Parameters
        ----------
        position : sequence of int
            One index per axis before the plane.
        window : tuple of slice
            Rows and columns.

        Returns
        -------
        numpy.ndarray
            (Y, X) or, for RGB, (Y, X, 3).
        """
        samples = (slice(0, 3),) if self.is_rgb else ()
        part = self.read((*(slice(int(i), int(i) + 1) for i in position), *window, *samples))
        return part.reshape(part.shape[len(position) :])


def as_stack(
    array: Any,
    axes: str | None = None,
    *,
    rgb: bool = False,
    metadata: Metadata | None = None,
    name: str = "image",
    path: Path | None = None,
    is_private: bool = False,
) -> Stack:
    """Make a stack from an array.

    Parameters
    ----------
    array : array-like or Stack
        An image. A stack is returned unchanged, or with new axes if `axes` is given.
    axes : str, optional
        One letter per dimension, in any order; inferred by default, see `infer_axes`.
    rgb : bool
        Whether the last axis is RGB samples; ignored if `axes` is given.
    metadata, name, path, is_private :
        See `Stack`.

    Returns
    -------
    Stack
        The image, with the plane as its last axes.

    Raises
    ------
    InputError
        If the axes do not match the shape, or the array is empty or not of real numbers.
    """
    if isinstance(array, Stack):
        return array if axes is None else _renamed(array, read_axes(axes, array.shape))
    array, named = plain_array(array)
    shape, dtype = array.shape, np.dtype(array.dtype)
    if dtype.kind not in "uif":
        raise InputError(
            f"Pixels of type {dtype} cannot be denoised; convert the image to integers or floats."
        )
    if not all(shape):
        raise InputError(
            f"The image of size {' x '.join(map(str, shape))} holds no pixels; give another one."
        )
    axes = axes or (None if rgb else named)
    letters = read_axes(axes, shape) if axes else infer_axes(shape, rgb=rgb, dtype=dtype)
    known = metadata or Metadata.default(len(shape))
    return _plane_last(Stack(array, letters, known, name, path, is_private), letters)


def _renamed(stack: Stack, axes: str) -> Stack:
    """Return a stack with other axes, given in the order of its array."""
    if stack.opening is not None:
        in_file = [axes[stack.axes.index(axis)] for axis in stack.source_axes or stack.axes]
        stack = replace(stack, opening=replace(stack.opening, axes="".join(in_file)))
    return _plane_last(replace(stack, source_axes=""), axes)


def _plane_last(stack: Stack, axes: str) -> Stack:
    """Name the axes of a stack, in the order of its array, and turn that so the plane is last."""
    order = plane_last(axes)
    if order == tuple(range(len(axes))):
        return replace(stack, axes=axes)
    array = stack.array
    if not hasattr(array, "transpose"):
        array = as_dask(array, getattr(array, "chunks", "auto"))
    return replace(
        stack,
        array=array.transpose(order),
        axes="".join(axes[i] for i in order),
        metadata=stack.metadata.reordered(order),
        source_axes=axes,
    )


def as_dask(array: Any, chunks: Any) -> Any:
    """Wrap an array in a dask array; imports dask only when called, as that is slow."""
    import dask.array as da

    return da.from_array(array, chunks=chunks)


def is_dask(array: object) -> bool:
    """Return whether an array is a dask array, without importing dask."""
    dask_array = sys.modules.get("dask.array")
    return dask_array is not None and isinstance(array, dask_array.Array)
