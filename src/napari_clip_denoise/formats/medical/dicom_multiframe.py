"""Multi-frame DICOM files, such as enhanced CT and MR: position and rescaling of each frame."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.medical.dicom_file import (
    check_size,
    count_frames,
    is_low_white,
    padding_of,
    pydicom_read,
    read_frames,
)
from napari_clip_denoise.formats.medical.dicom_series import (
    EVEN_STEPS,
    PARALLEL,
    SAME_PLACE,
    Series,
    Slice,
    SliceArray,
    numbers,
    rescale_of_header,
    series_name,
)
from napari_clip_denoise.images.stack import Metadata

FRAME_TIME, FRAME_TIME_VECTOR = 0x00181063, 0x00181065
MILLISECONDS = 1000


@dataclass(frozen=True, eq=False)
class Frames(Series):
    """The frames of a multi-frame file.

    Attributes
    ----------
    step : float or None
        Distance between frames without positions, in millimetres or, along time, seconds.
    """

    step: float | None = None

    @property
    def array(self) -> SliceArray:
        """The values (Z or T, Y, X), read lazily."""
        return FrameArray(self.slices, self.plane_shape, self.dtype)

    @property
    def metadata(self) -> Metadata:
        """Metadata of the axes z or t, y and x."""
        known = super().metadata
        if self.affine is not None or self.step is None:
            return known
        unit = "second" if self.axes[0] == "t" else "millimeter"
        return Metadata((self.step, *known.scale[1:]), known.translation, (unit, *known.units[1:]))


class FrameArray(SliceArray):
    """The values of the frames of a file, in the order of its slices."""

    def _planes(self, numbers: range) -> Iterator[np.ndarray]:
        parts = [self._slices[number] for number in numbers]
        if parts:
            stored = read_frames(parts[0].path, [part.frame for part in parts])
            yield from map(self._values, stored, parts)


def find_frames(path: Path) -> Frames:
    """Read and check the header of a multi-frame file.

    Raises
    ------
    InputError
        If the frames cannot form a stack.
    """
    header = pydicom_read(path, stop_before_pixels=True)
    check_size(header, path)
    groups = _groups(header, path)
    directions, places = _geometry(groups, path)
    order = list(range(len(groups)))
    if directions is not None:
        along = places @ np.cross(*directions)
        order.sort(key=lambda frame: along[frame])
    slices = tuple(
        Slice(
            path,
            _rescale(header, groups[frame]),
            None if directions is None else places[frame],
            frame,
            padding_of(header),
        )
        for frame in order
    )
    measures = [_first(group, "PixelMeasuresSequence") for group in groups]
    spacing = _shared([part.get("PixelSpacing") for part in measures])
    spacing = spacing or header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    between = _shared([part.get("SpacingBetweenSlices") for part in measures])
    between = between or header.get("SpacingBetweenSlices")
    thickness = _shared([part.get("SliceThickness") for part in measures])
    is_placed = any(map(_position, groups))
    is_timed, step = (False, None) if is_placed else _timing(header)
    if between and not is_placed and not is_timed:
        step = abs(float(between))
    return Frames(
        name=series_name(header),
        slices=slices,
        plane_shape=(int(header.Rows), int(header.Columns)),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        directions=directions,
        thickness=float(thickness or header.get("SliceThickness") or 1),
        axes="tyx" if is_timed else "zyx",
        step=step or None,
        is_ct=header.get("Modality") == "CT",
        low_is_white=is_low_white(header),
    )


def _groups(header: Any, path: Path) -> list[dict[str, Any]]:
    """Return the functional groups of every frame; its own override the shared ones."""
    own = header.get("PerFrameFunctionalGroupsSequence") or [()] * count_frames(header)
    if len(own) != count_frames(header):
        raise InputError(
            f"{path.name} holds {count_frames(header)} frames but describes {len(own)}; the file "
            "may be damaged."
        )
    shared = header.get("SharedFunctionalGroupsSequence") or [()]
    common = {element.keyword: element.value for element in shared[0]}
    return [common | {element.keyword: element.value for element in group} for group in own]


def _first(group: dict[str, Any], keyword: str) -> Any:
    """Return the single item of a functional group, or an empty dict if it is missing."""
    items = group.get(keyword)
    return items[0] if items else {}


def _shared(values: list[Any]) -> Any:
    """Return the value that all frames have in common, or None if they differ."""
    return values[0] if all(value == values[0] for value in values) else None


def _rescale(header: Any, group: dict[str, Any]) -> Any:
    line = _first(group, "PixelValueTransformationSequence") or header
    return rescale_of_header(header, line.get("RescaleSlope"), line.get("RescaleIntercept"))


def _position(group: dict[str, Any]) -> Any:
    return _first(group, "PlanePositionSequence").get("ImagePositionPatient")


def _geometry(groups: list[dict[str, Any]], path: Path) -> tuple[Any, Any]:
    """Return directions (2, 3) and frame positions (N, 3); None twice if not a volume."""
    turns = [_first(g, "PlaneOrientationSequence").get("ImageOrientationPatient") for g in groups]
    positions = [_position(group) for group in groups]
    if not all(turns) or not all(positions):
        return None, None
    directions = np.array([numbers(turn) for turn in turns])
    places = np.array([numbers(position) for position in positions])
    is_parallel = np.abs(directions - directions[0]).max() <= PARALLEL
    first = directions[0].reshape(2, 3)
    if not is_parallel or np.diff(np.sort(places @ np.cross(*first))).min() < SAME_PLACE:
        warnings.warn(
            f"The frames of {path.name} are not one behind the other, such as phases, echoes or "
            "several directions; each is denoised as it is, in the order of the file, but "
            "together they do not form a volume.",
            stacklevel=2,
        )
        return None, None
    return first, places


def _timing(header: Any) -> tuple[bool, float | None]:
    """Return whether the frames are a time series, and its interval in seconds if constant."""
    pointer = header.get("FrameIncrementPointer")
    if pointer:
        pointers = [pointer] if isinstance(pointer, int) else [*pointer]
        if not {FRAME_TIME, FRAME_TIME_VECTOR} & {int(tag) for tag in pointers[:1]}:
            return False, None
    if header.get("FrameTime"):
        return True, float(header.FrameTime) / MILLISECONDS
    steps = numbers(np.atleast_1d(header.get("FrameTimeVector") or []))[1:]
    if not steps.size:
        return bool(pointer), None
    is_even = np.allclose(steps, steps.mean(), rtol=EVEN_STEPS)
    return True, float(steps.mean()) / MILLISECONDS if is_even else None
