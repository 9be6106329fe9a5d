"""The verdict on a whole run, in one line, from a few windows of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from napari_clip_denoise.errors import in_words
from napari_clip_denoise.formatting import counted
from napari_clip_denoise.noise.estimate import NoiseVariance
from napari_clip_denoise.residual.check import TrustReport, check_result
from napari_clip_denoise.residual.verdict import LEAST_FRACTION, say_places, say_rest
from napari_clip_denoise.residual.windows import Window

ADVICE = "open Check result"


@dataclass(frozen=True)
class RunVerdict:
    """The verdict on a run.

    Attributes
    ----------
    sentence : str
        The verdict in one line.
    is_flagged : bool
        True if something other than noise was removed or added.
    windows : tuple
        Start and shape of each window that was checked, in the axes of the source.
    """

    sentence: str
    is_flagged: bool = False
    windows: tuple[dict[str, list[int]], ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """Return what to add to the record of how a result was made, as plain values."""
        return {
            "check": {
                "verdict": self.sentence,
                "flagged": self.is_flagged,
                "windows": list(self.windows),
            }
        }


def check_windows(
    windows: Sequence[Window],
    axes: str,
    beside: Sequence[np.ndarray] | None = None,
    measured: Sequence[NoiseVariance | None] = (),
) -> RunVerdict:
    """Check windows of a run as `check_result` does, those of each channel together.

    Parameters
    ----------
    windows : sequence of Window
        The windows, all of the same size.
    axes : str
        Axes of the source.
    beside : sequence of numpy.ndarray, optional
        Mean of the noisy planes before and after each window, (Y, X), or several such means,
        (K, Y, X), see `check_result`.
    measured : sequence of NoiseVariance or None
        Variance of the noise of each channel as the run has measured it, see `check_result`; one
        for all channels, or none.

    Returns
    -------
    RunVerdict
        The verdict. If the check fails, it says why, because a result that is already computed is
        worth more than its check.
    """
    if not windows:
        return RunVerdict("Not checked: the image is too small.")
    try:
        checked = _by_channel(windows, axes, beside, measured)
    except Exception as error:  # the result itself is complete
        return RunVerdict(f"Not checked: {in_words(error)}")
    where = tuple(
        {"start": list(w.start), "shape": [p.stop - p.start for p in w.region]} for w in windows
    )
    n_planes = len({window.start[:-2] for window in windows})
    flagged = [(group, report) for group, report in checked if report.is_flagged]
    if flagged:
        return RunVerdict(_complain(*flagged[0], axes, n_planes), True, where)
    fractions = [r.findings.noise_fraction for _, r in checked if r.findings is not None]
    what = "only noise was removed"
    if not fractions:
        what = "no noise was found"
    elif min(fractions) < LEAST_FRACTION:
        what += f", {100 * min(fractions):.0f} % of it"
    return RunVerdict(f"Checked {counted(n_planes, 'plane')}: {what}.", False, where)


def _by_channel(
    windows: Sequence[Window],
    axes: str,
    beside: Sequence[np.ndarray] | None,
    measured: Sequence[NoiseVariance | None],
) -> "list[tuple[list[Window], TrustReport]]":
    """Check the windows of each channel."""
    channel = axes.find("c")

    def of(number: int) -> int:
        return 0 if channel < 0 else windows[number].start[channel]

    found = []
    for number, numbers in groupby(sorted(range(len(windows)), key=of), of):
        group = list(numbers)
        report = check_result(
            np.stack([windows[i].noisy for i in group]),
            np.stack([windows[i].denoised for i in group]),
            None if beside is None else np.stack([beside[i] for i in group], axis=-3),
            measured[min(number, len(measured) - 1)] if measured else None,
        )
        found.append(([windows[i] for i in group], report))
    return found


def _complain(windows: list[Window], report: TrustReport, axes: str, n_planes: int) -> str:
    """Say what is wrong, of the window with the most places."""
    if report.findings is not None and report.findings.leak:
        return (
            f"Checked {counted(n_planes, 'plane')}: the planes before and after show through, "
            f"{100 * report.findings.leak:.0f} % of what differs; {ADVICE}."
        )
    places = np.concatenate([report.removed, report.added])
    if not len(places):
        assert report.findings is not None
        return f"Checked {counted(n_planes, 'plane')}: {say_rest(report.findings)}; {ADVICE}."
    worst = int(np.bincount(places[:, 0]).argmax())
    of_it = [int(np.count_nonzero(each[:, 0] == worst)) for each in (report.removed, report.added)]
    what = say_places(*of_it)
    name = _plane_name(windows[worst].start[:-2], axes)
    return f"Plane {name}: {what}; {ADVICE}." if name else f"{what.capitalize()}; {ADVICE}."


def _plane_name(position: tuple[int, ...], axes: str) -> str:
    """Name a plane by its position, such as ``60``, or ``t 3, z 60``."""
    if len(position) < 2:
        return "".join(map(str, position))
    return ", ".join(f"{axis} {i}" for axis, i in zip(axes, position, strict=False))
