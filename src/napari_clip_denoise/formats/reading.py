"""What all readers share: errors of a file, and checks of the size that it claims to have."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from napari_clip_denoise.errors import ClipDenoiseError, InputError
from napari_clip_denoise.formatting import format_bytes

MOST_BYTES = 2**47
MOST_NAMED = 12
"""Names of images that a message lists."""
MOST_COMPRESSION = 2000
"""No lossless codec of image files shrinks a plane of equal pixels further."""


@contextmanager
def file_errors(message: str) -> Iterator[None]:
    """Raise an InputError with a message, a sentence, for any error of a reader.

    Raises
    ------
    InputError
        If the context raises anything but exceptions of this package.
    """
    try:
        yield
    except ClipDenoiseError:
        raise
    except Exception as error:  # decoders raise all kinds of errors for damaged files
        raise InputError(message) from error


def chosen_image(path: object, n_images: int, series: int | None, names: Sequence[str] = ()) -> int:
    """Return the number of the image to read from a file that may hold several.

    Parameters
    ----------
    path : object
        File to name in the message.
    n_images : int
        Number of its images.
    series : int or None
        Number of the chosen image, from 0.
    names : sequence of str
        Names of the images, if they can also be chosen by these.

    Raises
    ------
    InputError
        If none of several is chosen, or there is no such image.
    """
    if series is None and n_images > 1:
        shown = [*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])]
        by_name = f", or by its name ({', '.join(shown)})" if names else ""
        raise InputError(
            f"{path} holds {n_images} images; choose one by its number, --series 0 to "
            f"{n_images - 1} (series= in Python){by_name}."
        )
    if not 0 <= (series or 0) < n_images:
        raise InputError(f"{path} has no image {series}; it holds {n_images}, numbered from 0.")
    return series or 0


def check_claim(path: object, shape: tuple[int, ...], itemsize: int) -> None:
    """Check that an image is not larger than any that is processed.

    Parameters
    ----------
    path : object
        File or folder to name in the message.
    shape : tuple of int
        Shape of the image.
    itemsize : int
        Bytes per value.

    Raises
    ------
    InputError
        If it is.
    """
    n_bytes = math.prod(shape) * itemsize
    if n_bytes > MOST_BYTES:
        raise InputError(
            f"{path} claims {' x '.join(map(str, shape))} pixels ({format_bytes(n_bytes)}), more "
            f"than the {format_bytes(MOST_BYTES)} that are processed; the file may be damaged."
        )


def check_fits_file(
    path: Path, shape: tuple[int, ...], itemsize: int, *, offset: int = 0, compressed: bool = False
) -> None:
    """Check that the pixels that a file claims can be in it.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Shape of the image.
    itemsize : int
        Bytes per pixel.
    offset : int
        Position of the first pixel in an uncompressed file.
    compressed : bool
        Whether the pixels are compressed.

    Raises
    ------
    InputError
        If the file is too small, or a size is not positive.
    """
    if min(shape, default=1) < 0:
        raise InputError(f"{path} claims a negative size; the file may be damaged.")
    check_claim(path, shape, itemsize)
    n_bytes = math.prod(shape) * itemsize
    there = path.stat().st_size
    if n_bytes > (there * MOST_COMPRESSION if compressed else there - offset):
        raise InputError(
            f"{path} is cut off: it claims {' x '.join(map(str, shape))} pixels "
            f"({format_bytes(n_bytes)}) in {format_bytes(there)}; get the file again."
        )


def check_memory_for(path: object, shape: tuple[int, ...], itemsize: int) -> None:
    """Check that an image that has to be read at once fits into memory.

    Parameters
    ----------
    path : object
        File or folder to name in the message.
    shape : tuple of int
        Shape of the image.
    itemsize : int
        Bytes per value.

    Raises
    ------
    InputError
        If it does not.
    """
    n_bytes, free = math.prod(shape) * itemsize, psutil.virtual_memory().available
    if n_bytes > free:
        raise InputError(
            f"{path} has to be read at once, which takes {format_bytes(n_bytes)} of memory, and "
            f"{format_bytes(free)} are free; save it in smaller pieces, such as OME-Zarr."
        )
