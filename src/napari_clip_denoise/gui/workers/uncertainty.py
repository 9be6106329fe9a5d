"""Measuring the uncertainty of a view as a generator for ``thread_worker``."""

import itertools
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.workers.relay import relay
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken


def uncertainty_steps(
    view: View, cancel: CancelToken
) -> Generator[tuple[tuple[int, int], ...], None, tuple[np.ndarray, dict[str, Any]]]:
    """Measure how certain a model is of a view; see `evaluation.trust.uncertainty.uncertainty`.

    Parameters
    ----------
    view : View
        The view.
    cancel : CancelToken
        Token that stops the work; closing the generator does the same.

    Yields
    ------
    tuple of (int, int)
        Number of finished passes, and of all.

    Returns
    -------
    spread : numpy.ndarray
        Standard deviation at each pixel of the view.
    parameters : dict
        Parameters of the measurement.
    """

    def work(report: Callable[[tuple[int, int]], None]) -> tuple[np.ndarray, dict[str, Any]]:
        keep_triton_out()
        from napari_clip_denoise.evaluation.trust.uncertainty import (
            LEVEL,
            PASSES,
            SMOOTHING,
            uncertainty,
        )

        passes = itertools.count(1)
        spread = uncertainty(
            PreviewMaker().job(view),
            view.region,
            cancel=cancel,
            advance=lambda _: report((next(passes), PASSES)),
        )
        return spread, {"passes": PASSES, "level": LEVEL, "seed": 0, "smoothing": SMOOTHING}

    return (yield from relay(work, cancel))
