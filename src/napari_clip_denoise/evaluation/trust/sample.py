"""A limited sample of the planes of a stack and of its denoised copy."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_clip_denoise.evaluation.trust.reference import score
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, estimate_mapping
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.sampling import sample_positions
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.measured.drift import Drift
from napari_clip_denoise.inference.preview import central_part
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.residual.check import TrustReport, check_result
from napari_clip_denoise.residual.neighbours import ShiftTo, planes_beside

MOST_PLANES = 5


@dataclass(frozen=True)
class Pair:
    """A noisy stack, its denoised copy, and their relative position.

    Attributes
    ----------
    noisy, denoised : Stack
        The stacks, with the same number of axes.
    offset : tuple of int
        Position in `noisy` of the first pixel of `denoised`.
    reference : Stack or None
        The truth or a much less noisy image.
    reference_offset : tuple of int
        Position in `reference` of the first pixel of `denoised`.
    context : int
        Number of planes on each side that the result may have been made with; 0 for none.
    context_axis : int
        Number of the axis along which they are neighbours.
    context_align : bool
        Whether they may also have been moved by the shifts between planes.
    """

    noisy: Stack
    denoised: Stack
    offset: tuple[int, ...]
    reference: Stack | None = None
    reference_offset: tuple[int, ...] = ()
    context: int = 0
    context_axis: int = 0
    context_align: bool = False


@dataclass(frozen=True, eq=False)
class CheckedSample:
    """A report, the region of the denoised stack for each of its planes, and scores.

    Attributes
    ----------
    report : TrustReport
        The report.
    regions : list of tuple of slice
        Region of each plane.
    scores : dict
        Scores by name, if there is a reference.
    """

    report: TrustReport
    regions: list[Region]
    scores: dict[str, float] = field(default_factory=dict)

    def positions(self, places: np.ndarray) -> np.ndarray:
        """Convert places of the report, (N, 3), to positions in the denoised stack, (N, axes)."""
        n_leading = len(self.regions[0]) - 2
        starts = np.array([[part.start for part in region] for region in self.regions])
        starts = starts.reshape(len(self.regions), n_leading + 2)
        found = starts[places[:, 0]]
        found[:, n_leading:] += places[:, 1:]
        return found


def choose_planes(stack: Stack, current: Region, *, everywhere: bool) -> list[Region]:
    """Choose planes to check; large planes are cropped to their middle.

    Parameters
    ----------
    stack : Stack
        The denoised stack.
    current : tuple of slice
        The plane that is shown.
    everywhere : bool
        Whether to spread `MOST_PLANES` planes over the stack, within the current channel,
        instead of choosing the current one.

    Returns
    -------
    list of tuple of slice
        The chosen planes.
    """
    n_leading = len(stack.leading_shape)
    plane = central_part(current, len(current) - n_leading)
    if not everywhere:
        return [plane]
    axes = leading_axes(stack.axes)
    sizes = tuple(
        1 if axis == "c" else size for axis, size in zip(axes, stack.leading_shape, strict=True)
    )
    regions = []
    for position in sample_positions(sizes, MOST_PLANES):
        leading = [
            part if axis == "c" else slice(i, i + 1)
            for axis, i, part in zip(axes, position, current, strict=False)
        ]
        regions.append((*leading, *plane[n_leading:]))
    return regions


def check_sample(
    pair: Pair, regions: Sequence[Region], cancel: CancelToken | None = None
) -> CheckedSample:
    """Read planes of a pair and check them together.

    Parameters
    ----------
    pair : Pair
        The stacks to check.
    regions : sequence of tuple of slice
        Planes of the denoised stack, all of the same size, from `choose_planes`.
    cancel : CancelToken, optional
        Token that stops the check between two steps.

    Returns
    -------
    CheckedSample
        The report and the regions.

    Raises
    ------
    Cancelled
        If the check was cancelled.
    """
    cancel = cancel or CancelToken()
    noisy = _read(pair.noisy, regions, pair.offset)
    cancel.check()
    denoised = _read(pair.denoised, regions, (0,) * pair.denoised.ndim)
    scores: dict[str, float] = {}
    if pair.reference is not None:
        scores = score(_read(pair.reference, regions, pair.reference_offset), noisy, denoised)
    cancel.check()
    n_leading = len(pair.denoised.leading_shape)
    plain = [region[: n_leading + 2] for region in regions]
    report = check_result(noisy, denoised, _beside(pair, plain) if pair.context else None)
    cancel.check()
    return CheckedSample(report, plain, scores)


def _beside(pair: Pair, regions: Sequence[Region]) -> np.ndarray:
    """Read the mean of the noisy planes before and after each region, (K ways, N, Y, X)."""
    ways: list[ShiftTo | None] = [None]
    if pair.context_align:
        ways.append(Drift(pair.noisy, estimate_mapping(pair.noisy, DEFAULT_INTENSITY)).between)
    moved = [_moved(region, pair.offset) for region in regions]
    axis, reach = pair.context_axis, pair.context
    return np.stack(
        [[planes_beside(pair.noisy, each, axis, reach, way) for each in moved] for way in ways]
    )


def _moved(region: Region, offset: tuple[int, ...]) -> Region:
    return tuple(
        slice(part.start + shift, part.stop + shift)
        for part, shift in zip(region, offset, strict=False)
    )


def _read(stack: Stack, regions: Sequence[Region], offset: tuple[int, ...]) -> np.ndarray:
    """Read planes (N, Y, X); for RGB, return the mean of the colours."""
    planes = []
    for region in regions:
        plane = stack.read(_moved(region, offset))
        plane = plane.reshape(plane.shape[len(stack.leading_shape) :])
        planes.append(plane[..., :3].mean(axis=-1) if stack.is_rgb else plane)
    return np.stack(planes)
