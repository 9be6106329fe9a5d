"""Types of pixel values, and handling of missing values."""

import numpy as np
from scipy.ndimage import uniform_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import Stack


def result_dtype(stack: Stack, output_dtype: str | None) -> np.dtype:
    """Return the type of a stack's result.

    Raises
    ------
    InputError
        If `output_dtype` is not a real numeric type.
    """
    if output_dtype is None:
        return stack.dtype
    try:
        dtype = np.dtype(output_dtype)
    except TypeError as error:
        raise InputError(
            f"'{output_dtype}' is no data type; give one such as uint8, uint16 or float32."
        ) from error
    if dtype.kind not in "uif":
        raise InputError(f"A result cannot be of type {dtype}; give uint8, uint16 or float32.")
    return dtype


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round and clip to an integer type (NaN becomes 0), or convert to a floating-point one."""
    if dtype.kind == "f":
        return values.astype(dtype)
    info = np.iinfo(dtype)
    top = values.dtype.type(info.max)
    if int(top) > info.max:
        top = np.nextafter(top, values.dtype.type(0))
    missing = np.isnan(values)
    if missing.any():
        values = np.where(missing, 0, values)
    rounded = np.rint(values)
    return np.clip(rounded, info.min, top, out=rounded).astype(dtype)


def fill_non_finite(values: np.ndarray) -> np.ndarray:
    """Replace NaN and infinities by the mean of the finite values within two pixels.

    Parameters
    ----------
    values : numpy.ndarray
        (N, Y, X, S).

    Returns
    -------
    numpy.ndarray
        Finite values; those without finite neighbours become the mean of all finite ones.
    """
    if values.dtype.kind != "f":
        return values
    finite = np.isfinite(values)
    if finite.all():
        return values
    size = (1, 5, 5, 1)
    known = np.where(finite, values, 0)
    weight = uniform_filter(finite.astype(np.float64), size, mode="constant")
    local = uniform_filter(known.astype(np.float64), size, mode="constant")
    level = known.sum(dtype=np.float64) / max(1, int(finite.sum()))
    near = weight > 0.5 / 25
    filled = np.where(near, local / np.where(near, weight, 1), level)
    return np.where(finite, values, filled).astype(values.dtype)
