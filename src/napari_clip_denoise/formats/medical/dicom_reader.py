"""DICOM series, read slice by slice in the scanner's units (CT: Hounsfield units)."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import looks_like_dicom
from napari_clip_denoise.formats.medical.dicom_file import (
    check_image,
    check_single_frame,
    check_size,
    count_frames,
    is_low_white,
    padding_of,
    read_header,
)
from napari_clip_denoise.formats.medical.dicom_multiframe import find_frames
from napari_clip_denoise.formats.medical.dicom_series import (
    PARALLEL,
    SAME_PLACE,
    Series,
    Slice,
    numbers,
    rescale_of_header,
    series_name,
)
from napari_clip_denoise.formats.reading import file_errors
from napari_clip_denoise.images.stack import Stack, as_stack

MAX_NAMED = 5


def read_dicom(path: Path, axes: str | None) -> Stack:
    """Open the series in a folder or around a file, or a multi-frame file.

    Warns if the slices are not evenly spaced.

    Raises
    ------
    InputError
        If there is not exactly one series, or its images cannot form a stack.
    """
    with file_errors(f"The headers of {path} do not describe an image; they may be damaged."):
        series = find_series(path)
        metadata = series.metadata
        padding = series.padding
    if not series.is_even:
        warnings.warn(
            f"The slices of the series are {series.steps.min():.3g} to {series.steps.max():.3g} mm "
            "apart; each is denoised as it is, but as a volume they are shown at equal steps, so "
            "check that none is missing.",
            stacklevel=2,
        )
    stack = as_stack(
        series.array,
        axes or series.axes,
        metadata=metadata,
        name=series.name,
        path=path,
        is_private=True,
    )
    return replace(stack, padding=padding, low_is_white=series.low_is_white)


def find_series(path: Path) -> Series:
    """Find and check the series in a folder, the one that a file belongs to, or its frames.

    Raises
    ------
    InputError
        If there is not exactly one series, or its images cannot form a stack.
    """
    found: dict[str, list[tuple[Path, Any]]] = {}
    wanted = None if path.is_dir() else read_header(path)
    if wanted is not None:
        check_image(wanted, path)
        if count_frames(wanted) > 1:
            return find_frames(path)
    folder = path if wanted is None else path.parent
    for file in sorted(folder.iterdir()):
        if looks_like_dicom(file):
            header = read_header(file)
            if "Rows" in header and "SeriesInstanceUID" in header:
                found.setdefault(str(header.SeriesInstanceUID), []).append((file, header))
    if wanted is not None:
        return _series(found[str(wanted.SeriesInstanceUID)])
    if not found:
        raise InputError(
            f"The folder {path} holds no DICOM, TIFF or PNG images; give the folder that does, or "
            "a file."
        )
    if len(found) > 1:
        firsts = [files[0][0].name for files in found.values()]
        named = ", ".join(firsts[:MAX_NAMED]) + (", …" if len(firsts) > MAX_NAMED else "")
        raise InputError(
            f"The folder {path} holds {len(found)} series; give a file of the one you want, "
            f"such as {named}."
        )
    return _series(next(iter(found.values())))


def _series(files: list[tuple[Path, Any]]) -> Series:
    for path, header in files:
        check_image(header, path)
    if len(files) == 1 and count_frames(files[0][1]) > 1:
        return find_frames(files[0][0])
    for path, header in files:
        check_single_frame(header, path)
        check_size(header, path)
    headers = [header for _, header in files]
    shapes = sorted({(int(header.Rows), int(header.Columns)) for header in headers})
    if len(shapes) > 1:
        sizes = " and ".join(f"{height} x {width}" for height, width in shapes[:2])
        raise InputError(
            f"The series holds images of different sizes, {sizes}; move those that do not belong "
            "to the stack to another folder."
        )
    directions = _directions(headers)
    order = [int(header.get("InstanceNumber") or 0) for header in headers]
    if directions is not None:
        normal = np.cross(*directions)
        places = np.array([normal @ numbers(header.ImagePositionPatient) for header in headers])
        if len(files) > 1 and np.diff(np.sort(places)).min() < SAME_PLACE:
            raise InputError(
                "The series holds several images of the same place, such as phases or echoes; "
                "move each of them to a folder of its own."
            )
        order = list(places)
    ranks = sorted(range(len(files)), key=lambda i: (order[i], files[i][0].name))
    first = headers[0]
    spacing = first.get("PixelSpacing") or first.get("ImagerPixelSpacing")
    return Series(
        name=series_name(first),
        slices=tuple(_slice(*files[i], has_position=directions is not None) for i in ranks),
        plane_shape=shapes[0],
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        directions=directions,
        thickness=float(first.get("SliceThickness") or 1),
        is_ct=first.get("Modality") == "CT",
        low_is_white=any(map(is_low_white, headers)),
    )


def _slice(path: Path, header: Any, *, has_position: bool) -> Slice:
    rescale = rescale_of_header(header, header.get("RescaleSlope"), header.get("RescaleIntercept"))
    position = numbers(header.ImagePositionPatient) if has_position else None
    return Slice(path, rescale, position, padding=padding_of(header))


def _directions(headers: list[Any]) -> np.ndarray | None:
    """Return the common directions (2, 3) of all images; None if the headers do not give them."""
    keys = ("ImageOrientationPatient", "ImagePositionPatient")
    if not all(header.get(key) for header in headers for key in keys):
        return None
    directions = np.array([numbers(header.ImageOrientationPatient) for header in headers])
    if np.abs(directions - directions[0]).max() > PARALLEL:
        raise InputError(
            "The images of the series are not parallel, so they do not form a stack; move those "
            "that do not belong to it, such as a localizer, to another folder."
        )
    return directions[0].reshape(2, 3)
