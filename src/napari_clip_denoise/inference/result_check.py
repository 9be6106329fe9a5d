"""Check of the result of a run, just before its output is completed."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from napari_clip_denoise.errors import in_words
from napari_clip_denoise.formats.base import Writer
from napari_clip_denoise.images.regions import Region, split, whole
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.noise.estimate import NoiseVariance
from napari_clip_denoise.residual.neighbours import planes_beside
from napari_clip_denoise.residual.run_verdict import RunVerdict, check_windows
from napari_clip_denoise.residual.windows import Window, WindowChoice

OnChecked = Callable[[RunVerdict], object]


class ResultCheck:
    """Chooses windows of a result while it is computed, and checks them at its end.

    Parameters
    ----------
    job : Job
        The job.
    writer : Writer
        Writer of the result.
    part : tuple of slice, optional
        Part of the source that is denoised; by default all of it.
    on_checked : callable, optional
        Called with the verdict; by default, a warning is issued if something is wrong.
    """

    def __init__(
        self,
        job: Job,
        writer: Writer,
        *,
        part: Region | None = None,
        on_checked: OnChecked | None = None,
    ):
        self._stack = job.stack
        self._context, self._context_axis, self._drift = job.context, job.context_axis, job.drift
        self._measured = () if job.stack.is_rgb else _measured_noise(job)
        self._writer = writer
        self._on_checked = on_checked or _warn_if_flagged
        part = part or whole(job.stack.shape)
        device = job.runner.device.type
        self._choice = WindowChoice(job.stack, part, writer.region_shape, device)

    def see(self, region: Region, noisy: np.ndarray, denoised: np.ndarray) -> None:
        """Look at a finished region, see `WindowChoice.see`."""
        self._choice.see(region, noisy, denoised)

    def __call__(self) -> dict[str, Any]:
        """Check the result; return what to add to the record of how it was made."""
        try:
            self._see_rest()
            windows = self._choice.windows()
            beside = self._beside(windows) if self._context else None
        except Exception as error:  # the result itself is complete
            verdict = RunVerdict(f"Not checked: {in_words(error)}")
        else:
            verdict = check_windows(windows, self._stack.axes, beside, self._measured)
        self._on_checked(verdict)
        return verdict.record()

    def _beside(self, windows: list[Window]) -> list[np.ndarray]:
        """Read what neighbouring planes hold where the windows are, also moved if planes drift."""
        ways = [None] if self._drift is None else [None, self._drift.between]
        axis, reach = self._context_axis, self._context
        return [
            np.stack([planes_beside(self._stack, w.region, axis, reach, way) for way in ways])
            for w in windows
        ]

    def _see_rest(self) -> None:
        """Read the regions that an earlier run, another part or a worker has written."""
        if not self._writer.can_resume:
            return
        for region in split(self._stack.shape, self._writer.region_shape):
            if self._choice.wants(region):
                denoised = np.asarray(self._writer.array[region])
                self._choice.see(region, self._stack.read(region), denoised)


def _measured_noise(job: Job) -> tuple[NoiseVariance | None, ...]:
    """Return the variance of the noise of each channel, or one for all."""
    return tuple(mapping.noise for mapping in job.mapping.channels)


def _warn_if_flagged(verdict: RunVerdict) -> None:
    if verdict.is_flagged:
        warnings.warn(verdict.sentence, stacklevel=2)
