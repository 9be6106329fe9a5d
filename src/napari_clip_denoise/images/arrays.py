"""Arrays of other libraries as arrays that are sliced like those of NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import zarr
from zarr.buffer.cpu import NDBuffer

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import name_axes

LARGEST_ITEM_BYTES = 8

Acquire = Callable[[tuple[int, ...], np.dtype], np.ndarray]


def plain_array(array: Any) -> tuple[Any, str]:
    """Return an array that slices like NumPy's, and its axes if it names them.

    Parameters
    ----------
    array : array-like
        NumPy, dask or zarr array, torch tensor, xarray DataArray, nested lists, or anything with a
        shape, a type and slicing.

    Returns
    -------
    array : array-like
        With shape, dtype and slicing.
    axes : str
        One letter per dimension, or ``""``.

    Raises
    ------
    InputError
        If it cannot be used as an array.
    """
    library = type(array).__module__.partition(".")[0]
    axes = ""
    if library == "xarray" and hasattr(array, "dims") and hasattr(array, "data"):
        axes = name_axes([str(name) for name in array.dims])
        array = array.data
    if isinstance(array, np.ma.MaskedArray):
        raise InputError("A masked array is used in memory only; give it to denoise(), or fill it.")
    if not _is_array(array) or (isinstance(array, np.ndarray) and not _is_simple(array)):
        array = _converted(array)
    shape = array.shape
    if any(not isinstance(size, (int, np.integer)) for size in shape):
        raise InputError(
            f"The shape {shape} of the array is not known; call compute_chunk_sizes() on it first."
        )
    if np.dtype(array.dtype).kind == "f" and np.dtype(array.dtype).itemsize > LARGEST_ITEM_BYTES:
        raise InputError(f"Pixels of type {array.dtype} are not processed; convert to float64.")
    return array, axes


def _is_array(array: Any) -> bool:
    if not all(hasattr(array, name) for name in ("shape", "dtype", "__getitem__")):
        return False
    try:
        np.dtype(array.dtype)
    except TypeError:
        return False
    return isinstance(array.shape, tuple)


def _is_simple(array: np.ndarray) -> bool:
    """Return whether slices of an array keep its dimensions, unlike those of `numpy.matrix`."""
    return not isinstance(array, np.matrix)


def _converted(array: Any) -> np.ndarray:
    try:
        if hasattr(array, "detach"):
            tensor = array.detach().cpu()
            return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
        return np.asarray(array)
    except Exception as error:  # whatever the conversion of a foreign object raises
        raise InputError(
            f"A {type(array).__name__} cannot be used as an image ({error}); give an array of "
            "numbers whose rows are equally long."
        ) from error


def decode(array: zarr.Array, index: tuple[slice, ...], acquire: Acquire) -> np.ndarray:
    """Read a part of a zarr array into memory from `acquire`, which takes a shape and a type."""
    shape = tuple(len(range(*p.indices(n))) for p, n in zip(index, array.shape, strict=True))
    into = acquire(shape, array.dtype)
    array.get_basic_selection(index, out=NDBuffer.from_numpy_array(into))
    return into
