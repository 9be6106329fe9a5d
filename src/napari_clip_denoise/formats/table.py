"""The table of image formats; a new format needs a module and a row here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_clip_denoise.formats.detect import (
    DICOM_SUFFIXES,
    NIFTI_SUFFIXES,
    is_dicom,
    is_folder_of_planes,
    is_zarr,
)
from napari_clip_denoise.formats.microscope.suffixes import READERS, is_microscope_file

PACKAGE = "napari_clip_denoise.formats"
KEEPABLE = ("pixel sizes", "the position", "channel names")
"""Metadata that a format may lose, in words."""


@dataclass(frozen=True)
class Format:
    """Suffixes, reader and writer of an image format.

    Reading, writing, batches, the sources of fine-tuning and evaluation, and the menus of the
    window all use this table.

    Attributes
    ----------
    name : str
        Display name.
    read : str
        ``module:function`` within this package, imported on first use. It takes a path and axes
        (or None), and the number of an image (or None) if `has_series`, and returns a `Stack`.
    suffixes : tuple of str
        Suffixes of files that can be read, in lower case.
    write : str
        ``module:callable`` that makes a `Writer` from a path, a stack, a type and `options`; empty
        for a format that is only read.
    written : tuple of str
        Suffixes of files that can be written; an empty one means a name without a suffix. The
        result of a file with another one of `suffixes` gets the first of these.
    check : str
        ``module:function`` that takes the path, stack and type of a result, and raises an
        `InputError` if this format cannot hold it; empty if it holds all.
    options : tuple of str
        Keyword arguments of `create_writer` that `write` accepts.
    menu : dict of str to str
        Suffixes to offer in a menu of output formats, with their display names.
    fits : callable, optional
        Takes a path and returns whether it is of this format, where suffixes are not enough.
    has_series : bool
        Whether a file may hold several images, of which one is chosen by its number.
    names : str
        ``module:function`` that takes a path and returns the names of the images in the file, by
        which one can be chosen, too, and all of which a batch denoises; empty if they have none.
    keeps : tuple of str
        What a written file keeps of the metadata, out of `KEEPABLE`.
    keeps_white : bool
        Whether a written file says, as its source does, that low values are white.
    """

    name: str
    read: str
    suffixes: tuple[str, ...]
    write: str = ""
    written: tuple[str, ...] = ()
    check: str = ""
    options: tuple[str, ...] = ("overwrite",)
    menu: dict[str, str] = field(default_factory=dict)
    fits: Callable[[Path], bool] | None = None
    has_series: bool = False
    names: str = ""
    keeps: tuple[str, ...] = ()
    keeps_white: bool = False

    @property
    def is_store(self) -> bool:
        """True if each region is a separate file, so that several processes can write them."""
        return "shard" in self.options

    def reads(self, path: Path) -> bool:
        """Return whether this format reads a path."""
        return self.fits(path) if self.fits else path.name.lower().endswith(self.suffixes)

    def writes(self, path: Path) -> bool:
        """Return whether this format writes an output of this name."""
        name = path.name.lower()
        return any(name.endswith(suffix) if suffix else not path.suffix for suffix in self.written)

    @property
    def reader(self) -> Callable[..., Any]:
        """The function that opens a file."""
        return _imported(self.read)

    def names_of_images(self, path: Path) -> tuple[str, ...]:
        """Return the names of the images in a file; none if they only have numbers."""
        return tuple(_imported(self.names)(path)) if self.names else ()

    def check_result(self, path: Path | str, stack: Any, dtype: Any) -> None:
        """Raise an `InputError` if this format cannot hold the result of a stack."""
        if self.check:
            _imported(self.check)(path, stack, dtype)

    @property
    def writer(self) -> Callable[..., Any]:
        """The callable that makes a `Writer`."""
        return _imported(self.write)


FORMATS = (
    Format(
        "OME-Zarr",
        read="ome_zarr.reader:read_zarr",
        write="ome_zarr.writer:OmeZarrWriter",
        check="ome_zarr.layout:check_layout",
        suffixes=(".ome.zarr", ".zarr"),
        written=(".ome.zarr", ".zarr"),
        options=(
            "overwrite",
            "attributes",
            "fingerprint",
            "inherit",
            "shard",
            "ome_version",
            "on_verified",
        ),
        menu={".ome.zarr": "OME-Zarr"},
        fits=is_zarr,
        has_series=True,
        keeps=KEEPABLE,
    ),
    Format(
        "Folder of TIFF or PNG files",
        read="folder:read_folder",
        suffixes=(),
        fits=is_folder_of_planes,
    ),
    Format(
        "TIFF",
        read="tiff.reader:read_tiff",
        write="tiff.writer:TiffWriter",
        check="tiff.writer:check_tiff",
        has_series=True,
        suffixes=(".ome.tif", ".ome.tiff", ".tif", ".tiff", ".lsm"),
        written=(".tif", ".tiff"),
        menu={".ome.tif": "OME-TIFF", ".tif": "TIFF"},
        keeps=("pixel sizes",),
    ),
    Format(
        "NIfTI",
        read="medical.nifti:read_nifti",
        write="medical.nifti_writer:NiftiWriter",
        check="medical.nifti_writer:check_nifti",
        suffixes=NIFTI_SUFFIXES,
        written=NIFTI_SUFFIXES,
        menu={".nii.gz": "NIfTI"},
        keeps=("pixel sizes", "the position"),
    ),
    Format(
        "MRC",
        read="mrc:read_mrc",
        write="mrc:MrcWriter",
        check="mrc:check_mrc",
        suffixes=(".mrc", ".mrcs", ".map", ".rec", ".st"),
        written=(".mrc", ".mrcs", ".map", ".rec", ".st"),
        menu={".mrc": "MRC"},
        keeps=("pixel sizes", "the position"),
    ),
    Format(
        "NumPy",
        read="raster:read_numpy",
        write="raster:NumpyWriter",
        suffixes=(".npy",),
        written=(".npy",),
        menu={".npy": "NumPy"},
    ),
    Format(
        "PNG and JPEG",
        read="raster:read_picture",
        write="raster:PictureWriter",
        check="raster:check_picture",
        has_series=True,
        suffixes=(".png", ".jpg", ".jpeg", ".bmp"),
        written=(".png", ".jpg", ".jpeg"),
    ),
    Format(
        "DICOM",
        read="medical.dicom_reader:read_dicom",
        write="medical.dicom_multiframe_writer:create_dicom_writer",
        check="medical.dicom_multiframe_writer:check_dicom",
        suffixes=DICOM_SUFFIXES,
        written=("", *DICOM_SUFFIXES),
        options=("overwrite", "attributes"),
        fits=is_dicom,
        keeps=KEEPABLE,
        keeps_white=True,
    ),
    Format(
        "Microscope files",
        read="microscope.reader:read_microscope",
        suffixes=tuple(READERS),
        fits=is_microscope_file,
        has_series=True,
        names="microscope.reader:names_of_images",
    ),
)
"""All formats, in the order in which they are tried."""

SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)
WRITTEN_SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.written if suffix)
MENU = tuple((f"{name} ({end})", end) for each in FORMATS for end, name in each.menu.items())
"""Display name and suffix of each format for results."""


def format_of(path: Path) -> Format | None:
    """Return the first format that reads a path."""
    return next((each for each in FORMATS if each.reads(path)), None)


def _imported(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"{PACKAGE}.{module}"), name)
    return found
