"""Axes of an array, one lower-case letter per dimension.

``y`` and ``x`` span a plane, ``s`` are its RGB(A) samples and ``c`` is channels; ``z``, ``t`` and
all other letters are further dimensions.
"""

import numpy as np

from napari_clip_denoise.errors import InputError

RGB_SIZES = (3, 4)
_LEADING_LETTERS = "qrpctz"
_PREFERRED = {0: "", 1: "z", 2: "tz", 3: "tcz"}


def parse_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Normalise the notation of axes and check them against a shape.

    Parameters
    ----------
    axes : str
        Axes such as ``"zyx"``, ``"TCZYX"`` or ``"y,x,s"``.
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    str
        One lower-case letter per dimension.

    Raises
    ------
    InputError
        If axes and shape do not match, or the plane does not come last.
    """
    letters = axes.replace(",", "").replace(" ", "").lower()
    if not letters.isalpha() or len(set(letters)) != len(letters):
        raise InputError(f"The axes '{axes}' are wrong; give each dimension its own letter.")
    if len(letters) != len(shape):
        raise InputError(
            f"The axes '{axes}' name {len(letters)} dimensions, but the image has {len(shape)} "
            f"of size {' x '.join(map(str, shape))}; give one letter for each."
        )
    if not letters.removesuffix("s").endswith("yx"):
        raise InputError(
            f"The axes '{axes}' do not end in the plane; reorder the image so that y and x come "
            "last, followed only by RGB samples s."
        )
    if letters.endswith("s") and shape[-1] not in RGB_SIZES:
        raise InputError(
            f"The axis s of RGB samples has size {shape[-1]}; it should be 3 or 4, so name it c "
            "if it holds channels."
        )
    return letters


def infer_axes(shape: tuple[int, ...], *, rgb: bool = False, dtype: object = None) -> str:
    """Infer the axes of an array from its shape.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    rgb : bool
        Whether the last axis is RGB samples.
    dtype : numpy.dtype, optional
        Type of the array. A (Y, X, 3 or 4) array of uint8 is assumed to be RGB, as in PNG files
        and napari.

    Returns
    -------
    str
        One letter per dimension: the last axes are ``yx`` or ``yxs``, preceded by ``z``, ``tz``,
        ``tcz`` or, for more dimensions, other letters.

    Raises
    ------
    InputError
        If there are fewer than two dimensions.
    """
    looks_rgb = len(shape) == 3 and shape[-1] in RGB_SIZES and dtype == np.uint8
    plane = "yxs" if rgb or looks_rgb else "yx"
    n_leading = len(shape) - len(plane)
    if n_leading < 0:
        raise InputError(
            f"An array of {len(shape)} dimensions is not an image; give one of at least "
            f"{len(plane)}."
        )
    if n_leading > len(_LEADING_LETTERS):
        raise InputError(
            f"An array of {len(shape)} dimensions needs its axes named; give one letter for each."
        )
    leading = _PREFERRED.get(n_leading, _LEADING_LETTERS[-n_leading:] if n_leading else "")
    return parse_axes(leading + plane, shape)


def plane_axes(axes: str) -> str:
    """Return the axes of a plane: ``yx`` or ``yxs``."""
    return axes[axes.index("y") :]


def leading_axes(axes: str) -> str:
    """Return the axes before the plane."""
    return axes[: axes.index("y")]
