"""Uncertainty of a denoiser at each pixel: the spread of its results on disturbed features."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.engine import Pending, Runner
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.region import predict_region, read_region
from napari_clip_denoise.inference.progress import CancelToken

PASSES = 16
LEVEL = 0.025
"""Strength of the progressive feature augmentation, both in training and here."""
SMOOTHING = 2.0
"""Averaging width of the variance in pixels, because a few passes say little about one pixel."""


class DisturbedRunner:
    """Runs the encoder of a model once for each batch, and its decoder in every pass.

    It replaces a `Runner`. In each pass, the decoder gets the same features with a new random draw
    of the progressive feature augmentation that it was trained with.

    Parameters
    ----------
    runner : Runner
        The model on its device.
    level : float
        Strength of the augmentation.

    Raises
    ------
    ModelError
        If the model is a package of other authors, whose features are not known.
    """

    def __init__(self, runner: Runner, level: float):
        runner.model.denoiser  # noqa: B018 packages of others have none, and say so
        self._runner = runner
        self._level = level
        self._features: list[list[torch.Tensor]] = []
        self._generator = torch.Generator(runner.device)
        self._batch = 0
        self.card = runner.card

    def begin_pass(self, seed: int) -> None:
        """Restart with the first batch, with another disturbance."""
        self._generator.manual_seed(seed)
        self._batch = 0

    def start(
        self,
        batch: np.ndarray,
        cancel: CancelToken | None = None,
        *,
        level: np.ndarray | None = None,
        ensemble: bool = False,
    ) -> Pending:
        """Denoise the next batch of the pass in one orientation.

        Parameters
        ----------
        batch, cancel, level :
            See `Runner.start`.
        ensemble : bool
            Must be False.

        Returns
        -------
        Pending
            The running computation, see `Runner.start`.
        """
        assert not ensemble
        if self._batch == len(self._features):
            self._features.append(self._runner.encode(batch, cancel, level))
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
    """Measure how much the result at each pixel depends on the exact features.

    Parameters
    ----------
    job : Job
        Source, model and settings; strength, self-ensemble and the type of the result are ignored.
    region : tuple of slice
        Region of a few megapixels at most, because all features of its tiles are kept in memory.
    passes : int
        Number of results.
    level : float
        Strength of the feature augmentation.
    seed : int
        Seed of the disturbances.
    cancel : CancelToken, optional
        Token that stops the work; checked frequently.
    advance : callable, optional
        Called with the fraction of the work done since the last call.

    Returns
    -------
    numpy.ndarray
        Standard deviation over the passes, float32, in raw values and the shape of the region. It
        ranks pixels but is not an error bar, because it misses the information that the encoder
        itself loses.
    """
    given = read_region(job, region)
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
        prediction = predict_region(full, region, given=given, cancel=cancel)
        results.append(prediction.result().astype(np.float32))
        if advance is not None:
            advance(1 / passes)
    variance = np.var(results, axis=0)
    width = [0.0] * variance.ndim
    first = len(job.stack.leading_shape)
    width[first : first + 2] = SMOOTHING, SMOOTHING
    return np.sqrt(np.maximum(gaussian_filter(np.nan_to_num(variance), width), 0))
