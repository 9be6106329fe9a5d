"""Pixel values: types, and values that are missing."""

import numpy as np
from scipy.ndimage import uniform_filter


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
        Finite; values with no finite neighbour become the mean of all finite ones.
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
