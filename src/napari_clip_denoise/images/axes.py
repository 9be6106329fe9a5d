"""Axes of an array, one lower-case letter per dimension.

``y`` and ``x`` span a plane, ``s`` are its RGB(A) samples and ``c`` is channels; ``z``, ``t`` and
all other letters are further dimensions.
"""

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np

from napari_clip_denoise.errors import InputError

RGB_SIZES = (3, 4)
_LEADING_LETTERS = "qrpctz"
_PREFERRED = {0: "", 1: "z", 2: "tz", 3: "tcz"}
_WORDS = {
    "time": "t",
    "times": "t",
    "frame": "t",
    "channel": "c",
    "channels": "c",
    "band": "c",
    "depth": "z",
    "slice": "z",
    "plane": "z",
    "row": "y",
    "rows": "y",
    "height": "y",
    "column": "x",
    "columns": "x",
    "col": "x",
    "width": "x",
    "sample": "s",
    "samples": "s",
    "rgb": "s",
}


def parse_axes(axes: str | Sequence[str], shape: tuple[int, ...]) -> str:
    """Normalise the notation of axes whose plane comes last, and check them against a shape.

    Parameters
    ----------
    axes : str or sequence of str
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
    letters = read_axes(axes, shape)
    if not letters.removesuffix("s").endswith("yx"):
        raise InputError(
            f"The axes '{axes}' do not end in the plane; reorder the image so that y and x come "
            "last, followed only by RGB samples s."
        )
    return letters


def read_axes(axes: str | Sequence[str], shape: tuple[int, ...]) -> str:
    """Normalise the notation of axes in any order, and check them against a shape.

    Parameters
    ----------
    axes : str or sequence of str
        Axes such as ``"zyx"``, ``"YXC"`` or ``"y,x,s"``.
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    str
        One lower-case letter per dimension.

    Raises
    ------
    InputError
        If axes and shape do not match, or y or x is missing.
    """
    axes = "".join(map(str, axes)) if isinstance(axes, (list, tuple)) else str(axes)
    letters = axes.replace(",", "").replace(" ", "").lower()
    if not letters.isascii() or not letters.isalpha() or len(set(letters)) != len(letters):
        raise InputError(f"The axes '{axes}' are wrong; give each dimension its own letter.")
    if len(letters) != len(shape):
        raise InputError(
            f"The axes '{axes}' name {len(letters)} dimensions, but the image has {len(shape)} "
            f"of size {' x '.join(map(str, shape))}; give one letter for each."
        )
    if not {"y", "x"} <= set(letters):
        raise InputError(
            f"The axes '{axes}' do not name the plane; give y and x to the two axes that span it."
        )
    if "s" in letters and shape[letters.index("s")] not in RGB_SIZES:
        raise InputError(
            f"The axis s of RGB samples has size {shape[letters.index('s')]}; it should be 3 or "
            "4, so name it c if it holds channels."
        )
    return letters


def plane_last(axes: str) -> tuple[int, ...]:
    """Return the order of the axes that puts the plane last: ``yx``, followed by ``s`` if any."""
    leading = [i for i, axis in enumerate(axes) if axis not in "yxs"]
    return (*leading, *(axes.index(axis) for axis in "yxs" if axis in axes))


def name_axes(names: Sequence[str | None]) -> str:
    """Return a letter for each axis that a file names by letters or words, in any order.

    Parameters
    ----------
    names : sequence of (str or None)
        Names such as ``"z"`` or ``"channel"``. Axes without a name, and those whose name is not
        known or repeats another, are stepped through: they get free letters. If the names say
        something, but not which axes span the plane, the last of these do.

    Returns
    -------
    str
        One letter per dimension, or ``""`` if the names do not tell any, or leave no plane.
    """
    letters: list[str] = []
    for name in names:
        word = (name or "").strip().lower()
        letter = word if len(word) == 1 else _WORDS.get(word, "")
        is_usable = letter.isascii() and letter.isalpha() and letter not in letters
        letters.append(letter if is_usable else "")
    if any(letters):
        _complete_plane(letters)
    if not {"y", "x"} <= set(letters):
        return ""
    named = set(letters)
    n_unnamed = letters.count("")
    usual = _usual_leading(n_unnamed) if named <= {"", "y", "x", "s"} else ""
    free = iter(usual or [a for a in (*"zt", *ascii_lowercase) if a not in {*named, *"cs"}])
    unnamed = [next(free) for _ in range(n_unnamed)]
    if not usual:
        unnamed.reverse()
    return "".join(letter or unnamed.pop(0) for letter in letters)


def _complete_plane(letters: list[str]) -> None:
    """Give the last axes without a letter those of the plane that are missing, in place."""
    missing = [letter for letter in "yx" if letter not in letters]
    free = [i for i, letter in enumerate(letters) if not letter]
    if missing and len(free) >= len(missing):
        for place, letter in zip(free[-len(missing) :], missing, strict=True):
            letters[place] = letter


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
    return parse_axes(_usual_leading(n_leading) + plane, shape)


def _usual_leading(count: int) -> str:
    """Return the letters of axes before the plane that nobody has named."""
    return _PREFERRED.get(count, _LEADING_LETTERS[-count:])


def plane_axes(axes: str) -> str:
    """Return the axes of a plane: ``yx`` or ``yxs``."""
    return axes[axes.index("y") :]


def leading_axes(axes: str) -> str:
    """Return the axes before the plane."""
    return axes[: axes.index("y")]


def neighbour_axis(axes: str, wanted: str | None = None) -> int:
    """Return the number of the axis along which planes are neighbours.

    Parameters
    ----------
    axes : str
        Axes of a stack, the plane last.
    wanted : str, optional
        Letter of the axis; by default the last one before the plane that is not of channels.

    Raises
    ------
    InputError
        If there is no such axis.
    """
    usable = leading_axes(axes).replace("c", "")
    if not usable:
        raise InputError(
            f"The planes of an image with the axes '{axes}' have no neighbours; name its axes, "
            "such as zyx, or denoise without neighbours (context 0)."
        )
    if wanted is not None and wanted not in usable:
        raise InputError(
            f"Planes cannot be neighbours along '{wanted}' in an image with the axes '{axes}'; "
            f"give {' or '.join(usable)}, or denoise without neighbours (context 0)."
        )
    return axes.index(wanted or usable[-1])
