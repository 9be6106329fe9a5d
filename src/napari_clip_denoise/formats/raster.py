"""NumPy files, and PNG, JPEG and BMP pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.base import PartialFile
from napari_clip_denoise.images.stack import Stack, as_stack


def read_raster(path: Path, axes: str | None) -> Stack:
    """Open a ``.npy`` file as a memory map, or read a PNG, JPEG or BMP picture.

    Raises
    ------
    InputError
        If the file is damaged, or the axes do not match it.
    """
    try:
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            array = _read_picture(path)
    except (UnidentifiedImageError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as an image; the file may be damaged.") from error
    is_rgb = path.suffix.lower() != ".npy" and array.ndim == 3
    return as_stack(array, axes, rgb=is_rgb, name=path.stem, path=path)


def _read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        if picture.mode == "P":
            picture = picture.convert("RGB")  # type: ignore[assignment]
        elif picture.mode in ("1", "LA"):
            picture = picture.convert("L")  # type: ignore[assignment]
        array = np.asarray(picture)
    return array.astype(np.uint16) if array.dtype == np.int32 else array


class NumpyWriter(PartialFile):
    """Writes a ``.npy`` file, region by region.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        super().__init__(path, stack, overwrite=overwrite)
        self.array: Any = np.lib.format.open_memmap(
            self.partial, mode="w+", dtype=dtype, shape=stack.shape
        )

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        self.array[index] = block

    def _close(self) -> None:
        if self.array is not None:
            self.array.flush()
            self.array = None


class PictureWriter(PartialFile):
    """Writes a single plane as a PNG or JPEG picture.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        uint8, or uint16 for a grey PNG.

    Raises
    ------
    InputError
        If the stack has several planes, or the format does not support the type.
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        suffix = path.suffix.lower()
        grey16 = suffix == ".png" and dtype == np.uint16 and not stack.is_rgb
        if stack.n_planes != 1 or not (dtype == np.uint8 or grey16):
            raise InputError(
                f"A {suffix} file holds one plane of uint8 (PNG also grey uint16), not "
                f"{' x '.join(map(str, stack.shape))} of {dtype}; write .tif or .ome.zarr."
            )
        super().__init__(path, stack, overwrite=overwrite)
        self.array: Any = np.zeros(stack.shape, dtype)

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        self.array[index] = block

    def _close(self) -> None:
        if self.array is None:
            return
        plane = self.array.reshape(self.array.shape[len(self.stack.leading_shape) :])
        is_jpeg = self.path.suffix.lower() != ".png"
        if is_jpeg and plane.ndim == 3:
            plane = plane[..., :3]
        options = {"quality": 95} if is_jpeg else {}
        Image.fromarray(plane).save(self.partial, "JPEG" if is_jpeg else "PNG", **options)
        self.array = None
