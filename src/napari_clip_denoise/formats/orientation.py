"""Orientations of images, numbered as in TIFF and EXIF."""

from typing import Any

FLIPS = {2: "x", 3: "yx", 4: "y", 6: "y", 7: "yx", 8: "x"}
"""Axes to reverse for each orientation, before the plane is transposed."""
TRANSPOSED = (5, 6, 7, 8)


def is_turned(orientation: int) -> bool:
    """Return whether an orientation is known and not upright."""
    return orientation in FLIPS or orientation in TRANSPOSED


def upright_order(axes: str, orientation: int) -> list[int]:
    """Return the order of the axes that `upright` gives."""
    order = list(range(len(axes)))
    if orientation in TRANSPOSED:
        y, x = axes.index("y"), axes.index("x")
        order[y], order[x] = x, y
    return order


def upright(array: Any, axes: str, orientation: int) -> Any:
    """Turn an array as its orientation says.

    Parameters
    ----------
    array : numpy.ndarray or dask.array.Array
        Pixels as stored.
    axes : str
        One letter per dimension.
    orientation : int
        From 1, upright, to 8; others are taken as upright.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        A view.
    """
    flipped = FLIPS.get(orientation, "")
    turned = array[tuple(slice(None, None, -1 if axis in flipped else 1) for axis in axes)]
    return turned.transpose(upright_order(axes, orientation))
