"""Offsets of the rows or columns of a stack's planes, measured once a plane."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import product

import numpy as np

from napari_clip_denoise.images.lines import Lines, line_offsets
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.values import fill_missing, missing_in

KEPT_PLANES = 2**12


class PlaneLines:
    """Offsets of the lines of each plane of a stack.

    They are measured on whole planes, so that they do not depend on how planes are cut into
    regions. A plane is read once more for this.

    Parameters
    ----------
    stack : Stack
        The source.
    lines : {"rows", "columns"}
        Direction of the lines.
    known : mapping, optional
        Offsets by the position of their plane, (Y, 1, S) or (1, X, S), used instead of measuring.
    """

    def __init__(
        self,
        stack: Stack,
        lines: Lines,
        known: Mapping[tuple[int, ...], np.ndarray] | None = None,
    ):
        self._stack, self._lines = stack, lines
        measured = lru_cache(KEPT_PLANES)(self._measure)
        self._offsets = measured if known is None else known.__getitem__

    def within(self, index: Region) -> np.ndarray:
        """Return the offsets in a part of the stack.

        Parameters
        ----------
        index : tuple of slice
            One slice per axis of the stack.

        Returns
        -------
        numpy.ndarray
            Raw units, float32, (N planes, Y, 1, S) for rows and (N planes, 1, X, S) for columns.
        """
        n_leading = len(self._stack.leading_shape)
        planes = product(*(range(part.start, part.stop) for part in index[:n_leading]))
        offsets = np.stack([self._offsets(position) for position in planes])
        y, x = index[n_leading : n_leading + 2]
        return offsets[:, y] if self._lines == "rows" else offsets[:, :, x]

    def _measure(self, position: tuple[int, ...]) -> np.ndarray:
        stack = self._stack
        rest = (slice(0, size) for size in stack.shape[len(position) :])
        plane = stack.read((*(slice(i, i + 1) for i in position), *rest))
        plane = plane.reshape(1, *stack.plane_shape, -1)[..., :3]
        return line_offsets(fill_missing(plane, missing_in(plane, stack.padding))[0], self._lines)
