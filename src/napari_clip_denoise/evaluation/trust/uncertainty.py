"""How sure a denoiser is of each pixel: the spread of its results on disturbed features."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.engine import Pending, Runner
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.region import apply_change, predict_change, read_region
from napari_clip_denoise.inference.progress import CancelToken

PASSES = 16
LEVEL = 0.025
"""Strength of the progressive feature augmentation in training, and here."""
SMOOTHING = 2.0
"""Pixels over which the variance is averaged, since few passes tell little of one pixel."""


class DisturbedRunner:
    """Runs the encoder of a model once for each batch, and its decoder in every pass.

    It stands where a `Runner` does. In each pass the decoder gets the same features under the
    progressive feature augmentation that it was trained with, drawn anew.

    Parameters
    ----------
    runner : Runner
        The model on its device.
    level : float
        Strength of the augmentation.
    """

    def __init__(self, runner: Runner, level: float):
        self._runner = runner
        self._level = level
        self._features: list[list[torch.Tensor]] = []
        self._generator = torch.Generator(runner.device)
        self._batch = 0
        self.card = runner.card

    def begin_pass(self, seed: int) -> None:
        """Begin to go through the same batches again, with another disturbance."""
        self._generator.manual_seed(seed)
        self._batch = 0

    def start(
        self, batch: np.ndarray, cancel: CancelToken | None = None, *, ensemble: bool = False
    ) -> Pending:
        """Denoise the next batch of the pass in one orientation; see `Runner.start`."""
        assert not ensemble
        if self._batch == len(self._features):
            self._features.append(self._runner.encode(batch, cancel))
        features = self._features[self._batch]
        self._batch += 1
        return self._runner.decode(batch, features, self._generator, self._level, cancel)


def uncertainty(
    job: Job,
    region: Region,
    *,
    passes: int = PASSES,
    level: float = LEVEL,
    seed: int = 0,
    cancel: CancelToken | None = None,
    advance: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Measure how much the result of each pixel hangs on the exact features.

    Parameters
    ----------
    job : Job
        Source, model and settings; strength, self-ensemble and type of the result do not matter.
    region : tuple of slice
        A few megapixels at most, since the features of all its tiles are kept.
    passes : int
        Number of results.
    level : float
        Strength of the feature augmentation.
    seed : int
        The same seed gives the same disturbances.
    cancel : CancelToken, optional
        Looked at all the time.
    advance : callable, optional
        Told the share of the work that was done since the last call.

    Returns
    -------
    numpy.ndarray
        float32, shape of the region: standard deviation over the passes, in raw values. It
        ranks pixels; it is no error bar, as what the encoder itself loses does not show in it.
    """
    box = read_region(job, region)
    disturbed = DisturbedRunner(job.runner, level)
    full = replace(
        job,
        runner=disturbed,  # type: ignore[arg-type]
        strength=1.0,
        self_ensemble=False,
        dtype=np.dtype(np.float64),
    )
    results: list[np.ndarray] = []
    for number in range(passes):
        disturbed.begin_pass(seed + number)
        change = predict_change(full, region, box, cancel=cancel)
        results.append(apply_change(full, region, box, change).astype(np.float32))
        if advance is not None:
            advance(1 / passes)
    variance = np.var(results, axis=0)
    width = [0.0] * variance.ndim
    first = len(job.stack.leading_shape)
    width[first : first + 2] = SMOOTHING, SMOOTHING
    return np.sqrt(np.maximum(gaussian_filter(np.nan_to_num(variance), width), 0))
