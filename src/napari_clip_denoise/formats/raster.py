"""NumPy files, and PNG, JPEG and BMP pictures."""

import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, ImageOps

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats.base import PartialFile
from napari_clip_denoise.formats.flat import FlatWriter
from napari_clip_denoise.formats.orientation import upright
from napari_clip_denoise.formats.reading import file_errors
from napari_clip_denoise.images.stack import Stack, as_stack

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I")
RGBA = 4
OPAQUE = 255
DEEP_OPAQUE = 65535
GREY_AND_ALPHA = 2
ORIENTATION = 0x0112


def read_numpy(path: Path, axes: str | None) -> Stack:
    """Open a ``.npy`` file as a memory map.

    Raises
    ------
    InputError
        If the file is damaged, or the axes do not match it.
    """
    with file_errors(f"{path} cannot be read as an array; the file may be damaged."):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays (.npz); save the one you want as .npy.")
    return as_stack(array, axes, name=path.stem, path=path)


def read_picture(path: Path, axes: str | None, series: int | None) -> Stack:
    """Read a PNG, JPEG or BMP picture, upright.

    Parameters
    ----------
    path : Path
        The picture.
    axes : str or None
        Letters of its axes, such as ``"YXS"``; by default, they follow from its shape.
    series : int or None
        Number of the picture to read if the file contains several, from 0.

    Raises
    ------
    InputError
        If the file is damaged or huge, holds several pictures of which none is chosen, or colours
        other than RGB.
    """
    with file_errors(f"{path} cannot be read as a picture; it may be damaged."):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                array = _read_picture(path, series)
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
            raise InputError(
                f"{path} claims more than {most} million pixels, too many for a picture; save it "
                "as TIFF or OME-Zarr."
            ) from error
    return as_stack(array, axes, rgb=array.ndim == 3, name=path.stem, path=path)


def _read_picture(path: Path, series: int | None) -> np.ndarray:
    with Image.open(path) as picture:
        n_frames = getattr(picture, "n_frames", 1)
        if series is None and n_frames > 1:
            raise InputError(
                f"{path} holds {n_frames} pictures; choose one by its number, --series 0 to "
                f"{n_frames - 1} (series= in Python)."
            )
        if not 0 <= (series or 0) < n_frames:
            raise InputError(f"{path} has no picture {series}; it holds {n_frames}.")
        if picture.mode not in MODES:
            raise InputError(
                f"{path} holds {picture.mode} colours, not grey or RGB; convert it to RGB first."
            )
        if path.suffix.lower() == ".png" and _is_deep(path):
            if n_frames > 1:
                raise InputError(
                    f"{path} holds several pictures of 16 bits, which are not read from one PNG; "
                    "save them as TIFF."
                )
            return _read_deep(path, picture)
        if n_frames > 1:
            picture.seek(series or 0)
        turned: Image.Image = ImageOps.exif_transpose(picture)
        if "transparency" in turned.info or turned.mode in ("LA", "PA"):
            turned = turned.convert("RGBA")
            _check_opaque(path, np.asarray(turned)[..., 3] < OPAQUE)
            turned = turned.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
        elif turned.mode == "P":
            turned = turned.convert("RGB")
        elif turned.mode == "1":
            turned = turned.convert("L")
        array = np.asarray(turned)
    return array.astype(np.uint16) if array.dtype == np.int32 else array


def _is_deep(path: Path) -> bool:
    """Return whether a PNG holds 16 bits, of which Pillow keeps only 8 in colours."""
    with path.open("rb") as file:
        return file.read(25)[24:] == b"\x10"


def _read_deep(path: Path, picture: Image.Image) -> np.ndarray:
    """Read a PNG of 16 bits, upright.

    Parameters
    ----------
    path : Path
        The picture.
    picture : PIL.Image.Image
        The same, for its mode, orientation and transparent colour.
    """
    array = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    transparent = picture.info.get("transparency")
    n_samples = array.shape[2] if array.ndim == 3 else 1
    if n_samples == GREY_AND_ALPHA or (n_samples == RGBA and transparent is not None):
        _check_opaque(path, array[..., -1] < DEEP_OPAQUE)
        array = array[..., 0] if n_samples == GREY_AND_ALPHA else array[..., :3]
    elif transparent is not None:
        _check_opaque(path, (array == transparent).reshape(*array.shape[:2], -1).all(-1))
    return np.asarray(upright(array, "yxs"[: array.ndim], picture.getexif().get(ORIENTATION, 1)))


def _check_opaque(path: Path, is_transparent: np.ndarray) -> None:
    if is_transparent.any():
        raise InputError(
            f"{path} has transparent pixels, which have no intensity; save it without."
        )


class NumpyWriter(FlatWriter):
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
        axes = stack.source_axes or stack.axes
        sizes = dict(zip(stack.axes, stack.shape, strict=True))
        shape = tuple(sizes[axis] for axis in axes)
        descr = np.lib.format.dtype_to_descr(dtype)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        try:
            with self.partial.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                offset = file.tell()
            self._open(dtype, shape, offset, axes)
        except OSError as error:
            self.abort()
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def check_picture(path: Path, stack: Stack, dtype: np.dtype) -> None:
    """Raise an `InputError` if a picture cannot hold a stack; for arguments see `PictureWriter`."""
    suffix = path.suffix.lower()
    is_deep = suffix == ".png" and dtype == np.uint16
    if stack.n_planes != 1 or not (dtype == np.uint8 or is_deep):
        raise InputError(
            f"A {suffix} file holds one plane of uint8 (PNG also uint16), not "
            f"{' x '.join(map(str, stack.shape))} of {dtype}; write .tif or .ome.zarr."
        )
    if suffix != ".png" and stack.shape[-1] == RGBA and stack.is_rgb:
        raise InputError(f"A {suffix} file cannot hold transparency; write .png or .tif.")


class PictureWriter(PartialFile):
    """Writes a single plane as a PNG or JPEG picture.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        uint8, or uint16 for PNG.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """

    def __init__(self, path: Path, stack: Stack, dtype: np.dtype, *, overwrite: bool):
        super().__init__(path, stack, overwrite=overwrite)
        self.array: Any = np.zeros(stack.shape, dtype.newbyteorder("="))

    def write(self, index: tuple[slice, ...], block: np.ndarray) -> None:
        """Store a finished region."""
        self.array[index] = block

    def _close(self) -> None:
        if self.array is None:
            return
        plane = self.array.reshape(self.array.shape[len(self.stack.leading_shape) :])
        is_jpeg = self.path.suffix.lower() != ".png"
        if plane.ndim == 3 and plane.dtype == np.uint16:
            self.partial.write_bytes(imagecodecs.png_encode(plane))
            self.array = None
            return
        options = {"quality": 95} if is_jpeg else {}
        Image.fromarray(plane).save(self.partial, "JPEG" if is_jpeg else "PNG", **options)
        self.array = None
