"""Arrays in files, written by plain writes so that a full disk is an error like any other."""

import errno
import os
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.formats.base import PartialFile
from napari_clip_denoise.images.lazy import LazyArray
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import as_dask

NO_RESERVATION = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
SHORT_RUN_BYTES = 2**12


class FlatArray(LazyArray):
    """An uncompressed array in C order within a file, whose room is reserved at once.

    Parameters
    ----------
    path : Path
        An existing file; it is extended if needed.
    dtype : numpy.dtype
        Type of the pixels.
    shape : tuple of int
        Shape of the array.
    offset : int
        Position of the first pixel in the file, in bytes.

    Raises
    ------
    OSError
        If the disk has too little room.
    """

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...], offset: int):
        super().__init__(shape, dtype)
        self._path = path
        self._offset = offset
        self._guard = threading.Lock()
        self._steps = [int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))]
        self._file: Any = path.open("r+b", buffering=0)
        try:
            self._reserve(offset + int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize)
        except BaseException:
            self._file.close()
            raise

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.array(self._mapped()[index])

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a region.

        Parameters
        ----------
        index : tuple of slice
            One slice with start and stop for each axis.
        block : numpy.ndarray
            Its pixels.
        """
        block = np.ascontiguousarray(block, self.dtype)
        axis = self.ndim - 1
        while axis > 0 and block.shape[axis] == self.shape[axis]:
            axis -= 1
        run = int(np.prod(block.shape[axis:], dtype=np.int64)) * self.dtype.itemsize
        outer = [range(part.start, part.stop) for part in index[:axis]]
        if run < SHORT_RUN_BYTES and axis > 0:
            self._merge(index, block)
            return
        runs = block.reshape(-1, *block.shape[axis:])
        for position, pixels in zip(product(*outer), runs, strict=True):
            start = (*position, index[axis].start)
            first = sum(i * step for i, step in zip(start, self._steps, strict=False))
            self._put(first, pixels)

    def close(self) -> None:
        """Flush the file to disk and close it."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        """Close the file."""
        self._file.close()

    def _merge(self, index: Region, block: np.ndarray) -> None:
        """Store a region that is scattered over the file: read what lies around it, too."""
        for i, pixels in zip(range(index[0].start, index[0].stop), block, strict=True):
            with self._guard:
                slab = self[i]
                slab[index[1:]] = pixels
                self._put_at(i * self._steps[0], slab)

    def _put(self, first: int, pixels: np.ndarray) -> None:
        with self._guard:
            self._put_at(first, pixels)

    def _put_at(self, first: int, pixels: np.ndarray) -> None:
        self._file.seek(self._offset + first * self.dtype.itemsize)
        left = memoryview(np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data)
        while left:
            left = left[self._file.write(left) :]

    def _mapped(self) -> np.memmap:
        return np.memmap(self._path, self.dtype, "r", self._offset, self.shape)

    def _reserve(self, size: int) -> None:
        """Reserve the room of the file on its disk, even where it is sparse."""
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in NO_RESERVATION:
                    raise
            else:
                return
        if size > os.fstat(self._file.fileno()).st_size:
            self._file.truncate(size)


class FlatWriter(PartialFile):
    """A writer of files that hold an uncompressed array in C order.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    """

    array: Any = None
    _flat: FlatArray | None = None
    _order: tuple[int, ...] = ()

    def _open(self, dtype: np.dtype, shape: tuple[int, ...], offset: int, axes: str) -> None:
        """Reserve the room of the pixels in the file, which already has its header.

        Parameters
        ----------
        dtype, shape, offset :
            See `FlatArray`.
        axes : str
            Axes of the stack in the order of the file.
        """
        self._flat = FlatArray(self.partial, dtype, shape, offset)
        self._order = tuple(self.stack.axes.index(axis) for axis in axes)
        self.array = self._flat
        if axes != self.stack.axes:
            back = [axes.index(axis) for axis in self.stack.axes]
            self.array = as_dask(self._flat, "auto").transpose(back)

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region."""
        assert self._flat is not None
        self._flat.write(tuple(index[i] for i in self._order), block.transpose(self._order))

    def _close(self) -> None:
        if self._flat is not None:
            self._flat.close()
        self._discard()

    def _discard(self) -> None:
        if self._flat is not None:
            self._flat.discard()
        self.array = self._flat = None
