"""Types of pixel values, and handling of missing values."""

import numpy as np
from scipy.ndimage import distance_transform_edt, uniform_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.arrays import LARGEST_ITEM_BYTES
from napari_clip_denoise.images.stack import Stack

NEAR = 5
"""Side of the window, in pixels, from which a missing pixel is filled."""


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
    if dtype.kind not in "uif" or dtype.itemsize > LARGEST_ITEM_BYTES:
        raise InputError(f"A result cannot be of type {dtype}; give uint8, uint16 or float32.")
    return dtype


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round and clip to an integer type (NaN becomes 0), or clip to a floating-point one."""
    if dtype.kind == "f":
        if dtype.itemsize >= values.dtype.itemsize:
            return values.astype(dtype)
        largest = np.finfo(dtype).max
        clipped = np.clip(values, -largest, largest)
        return np.where(np.isinf(values), values, clipped).astype(dtype)
    info = np.iinfo(dtype)
    top = values.dtype.type(info.max)
    if int(top) > info.max:
        top = np.nextafter(top, values.dtype.type(0))
    missing = np.isnan(values)
    if missing.any():
        values = np.where(missing, 0, values)
    rounded = np.rint(values)
    return np.clip(rounded, info.min, top, out=rounded).astype(dtype)


def missing_in(values: np.ndarray, padding: tuple[float, float] | None) -> np.ndarray | None:
    """Return a mask of the pixels that are not finite or are padding; None if there are none."""
    missing = ~np.isfinite(values) if values.dtype.kind == "f" else None
    if padding is not None:
        around = (values >= padding[0]) & (values <= padding[1])
        missing = around if missing is None else missing | around
    return missing if missing is not None and missing.any() else None


def fill_missing(values: np.ndarray, missing: np.ndarray | None) -> np.ndarray:
    """Replace missing pixels by the mean of the known ones within two pixels, or the nearest mean.

    Parameters
    ----------
    values : numpy.ndarray
        (N, Y, X, S).
    missing : numpy.ndarray or None
        Mask of the same shape.

    Returns
    -------
    numpy.ndarray
        Finite values. A plane of which nothing is known becomes 0.
    """
    if missing is None:
        return values
    filled = values.copy()
    for plane, sample in np.ndindex(values.shape[0], values.shape[3]):
        where = missing[plane, :, :, sample]
        if where.any():
            filled[plane, :, :, sample] = _fill_plane(values[plane, :, :, sample], where)
    return filled


def _fill_plane(plane: np.ndarray, missing: np.ndarray) -> np.ndarray:
    if missing.all():
        return np.zeros_like(plane)
    known = np.where(missing, 0, plane).astype(np.float64)
    weight = uniform_filter((~missing).astype(np.float64), NEAR, mode="constant")
    local = uniform_filter(known, NEAR, mode="constant")
    is_near = weight > 0.5 / NEAR**2
    means = local / np.where(is_near, weight, 1)
    if not is_near.all():
        nearest = distance_transform_edt(~is_near, return_distances=False, return_indices=True)
        means = means[tuple(nearest)]
    if plane.dtype.kind != "f":
        means = np.rint(means)
    return np.where(missing, means, plane).astype(plane.dtype)
