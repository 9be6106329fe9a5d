"""NIfTI volumes (``.nii``, ``.nii.gz``) with their position in the patient."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.medical.dicom_series import LOWEST_HOUNSFIELD
from napari_clip_denoise.formats.medical.geometry import volume_metadata
from napari_clip_denoise.formats.medical.rescale import Rescale
from napari_clip_denoise.formats.reading import check_fits_file, check_memory_for, file_errors
from napari_clip_denoise.images.lazy import LazyArray
from napari_clip_denoise.images.stack import Metadata, Stack, as_stack
from napari_clip_denoise.optional import from_extra

with from_extra("medical", "NIfTI files"):
    import nibabel

ORDER = "ctzyx"
"""NIfTI's axes (x, y, z, t, and the fifth for channels), slowest first."""
SPACE_UNITS = {"meter": "meter", "mm": "millimeter", "micron": "micrometer"}
TIME_UNITS = {"sec": "second", "msec": "millisecond", "usec": "microsecond"}
DIGEST_BYTES = 2**20
DIGEST_LETTERS = 8


class StoredArray(LazyArray):
    """The values of an array of stored numbers, converted when they are read.

    Parameters
    ----------
    stored : array-like
        Stored numbers; sliced like a NumPy array.
    rescale : Rescale
        Conversion between stored numbers and values.
    dtype : numpy.dtype
        Type of the values.
    """

    def __init__(self, stored: Any, rescale: Rescale, dtype: np.dtype):
        super().__init__(stored.shape, dtype)
        self._stored = stored
        self._rescale = rescale

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._rescale.to_values(np.asarray(self._stored[index]), self.dtype)


def read_nifti(path: Path, axes: str | None) -> Stack:
    """Open a NIfTI file, lazily if it is uncompressed.

    Raises
    ------
    InputError
        If it is damaged, or does not contain real numbers in at most five dimensions.
    """
    image = open_nifti(path)
    dtype = image.get_data_dtype()
    if dtype.kind not in "uif" or len(image.shape) > len(ORDER):
        raise InputError(
            f"The NIfTI file {path.name} holds pixels of type {dtype} in {len(image.shape)} "
            "dimensions; give real numbers in at most five."
        )
    is_compressed = path.suffix.lower() == ".gz"
    offset = int(image.dataobj.offset)
    check_fits_file(path, image.shape, dtype.itemsize, offset=offset, compressed=is_compressed)
    if is_compressed:
        check_memory_for(path, image.shape, dtype.itemsize)
    with file_errors(f"The NIfTI file {path.name} cannot be read; it may be damaged."):
        stored = np.asanyarray(image.dataobj.get_unscaled()).T
        rescale = rescale_of_image(image)
    letters = ORDER[len(ORDER) - stored.ndim :]
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(DIGEST_BYTES)).hexdigest()
    array = StoredArray(stored, rescale, rescale.value_dtype)
    stack = as_stack(
        array,
        axes or letters,
        metadata=_metadata(image, letters),
        name=f"NIfTI {digest[:DIGEST_LETTERS]}",
        path=path,
        is_private=True,
    )
    return replace(stack, padding=_padding(array))


def open_nifti(path: Path) -> Any:
    """Read a NIfTI file's header with nibabel.

    Raises
    ------
    InputError
        If it is not a NIfTI file or is damaged.
    """
    with file_errors(f"The NIfTI file {path.name} cannot be read; it may be damaged."):
        image = nibabel.load(path, mmap="r")
    if not isinstance(image, nibabel.Nifti1Pair) or isinstance(image, nibabel.Cifti2Image):
        raise InputError(
            f"{path.name} is no image but {type(image).__name__}; give a NIfTI volume."
        )
    return image


def rescale_of_image(image: Any) -> Rescale:
    """Return the conversion between the stored numbers of a NIfTI file and their values."""
    data = image.dataobj
    return Rescale.of_type(image.get_data_dtype(), float(data.slope), float(data.inter))


def _metadata(image: Any, axes: str) -> Metadata:
    space, time = image.header.get_xyzt_units()
    volume = volume_metadata(image.affine, SPACE_UNITS.get(space))
    entries = zip(volume.scale, volume.translation, volume.units, strict=True)
    known: dict[str, tuple[float, float, str | None]] = dict(zip("zyx", entries, strict=True))
    zooms = dict(zip("xyzt", map(float, image.header.get_zooms()), strict=False))
    start = float(image.header["toffset"])
    known["t"] = (zooms.get("t") or 1.0, start, TIME_UNITS.get(time))
    known["c"] = (1.0, 0.0, None)
    scale, translation, units = zip(*(known[axis] for axis in axes), strict=True)
    return Metadata(scale, translation, units)


def _padding(array: StoredArray) -> tuple[float, float] | None:
    """Return the value around a CT image, if its corners have one that no tissue can have."""
    middle = tuple(size // 2 for size in array.shape[:-2])
    corners = [float(array[(*middle, y, x)]) for y in (0, -1) for x in (0, -1)]
    if len(set(corners)) == 1 and corners[0] <= LOWEST_HOUNSFIELD:
        return corners[0], corners[0]
    return None
