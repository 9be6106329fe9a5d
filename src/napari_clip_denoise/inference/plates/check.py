"""Checks of a run on a plate before anything slow is loaded."""

import warnings
from pathlib import Path
from typing import Literal

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import shown_place
from napari_clip_denoise.formats.ome_zarr.plates.collection import (
    Collection,
    missing_in_words,
    without_missing,
)
from napari_clip_denoise.inference.progress import Notify

Measure = Literal["plate", "field"]
"""What the intensity mapping and the noise level are measured on."""


def checked(
    collection: Collection,
    *,
    skip_missing: bool = False,
    shard: tuple[int, int] = (0, 1),
    notify: Notify | None = None,
) -> Collection:
    """Check that a store has all images that it lists, or leave out those that are missing.

    Raises
    ------
    InputError
        If images are missing and are not to be skipped, or there are more parts than wells.
    """
    if collection.missing:
        words = missing_in_words(collection)
        if not skip_missing:
            raise InputError(
                f"{words}; let it be written to its end, or leave them out with --skip-missing "
                "(skip_missing= in Python)."
            )
        (notify or warnings.warn)(f"{words}; they are left out.")
        collection = without_missing(collection)
    n_units = len(collection.units)
    if shard[1] > n_units:
        kind = "wells" if collection.is_plate else "images"
        raise InputError(
            f"{collection.shown} has {n_units} {kind}, and a part of the work is at least one; "
            f"divide it into at most {n_units} parts."
        )
    return collection


def check_suffix(path: Path | str) -> None:
    """Raise an InputError unless the result of a plate is an OME-Zarr."""
    if not str(path).lower().endswith(".zarr"):
        raise InputError(
            f"A plate is written as OME-Zarr; let {shown_place(path)} end in .ome.zarr."
        )


def default_measure(collection: Collection) -> Measure:
    """Return what is measured as one by default: a whole plate, or each image of other stores."""
    return "plate" if collection.is_plate else "field"
