"""Several models and classical methods on the same view."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from napari_clip_denoise.evaluation.baselines import BASELINES
from napari_clip_denoise.evaluation.metrics import psnr, ssim
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken


@dataclass(frozen=True, eq=False)
class Compared:
    """What a method made of a view.

    Attributes
    ----------
    name : str
        Of the model or the baseline.
    pixels : numpy.ndarray
        float32, in the shape of the view's region.
    seconds : float
        How long it took, without loading a model.
    scores : (float, float) or None
        PSNR in dB and SSIM, if there is a reference.
    """

    name: str
    pixels: np.ndarray
    seconds: float
    scores: tuple[float, float] | None

    @property
    def title(self) -> str:
        """Name, time and scores in a line."""
        parts = [self.name, f"{self.seconds:.2f} s"]
        if self.scores is not None:
            parts += [f"{self.scores[0]:.1f} dB", f"SSIM {self.scores[1]:.3f}"]
        return " · ".join(parts)


def compare_view(
    view: View,
    models: Sequence[str],
    baselines: Sequence[str],
    reference: np.ndarray | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Compared]:
    """Denoise a view by one method after the other.

    Parameters
    ----------
    view : View
        What to denoise; its settings hold for all models, but for the model.
    models, baselines : sequence of str
        Names in the registry, and keys of `baselines.BASELINES`.
    reference : numpy.ndarray, optional
        The truth of the view's region.
    cancel : CancelToken, optional
        Looked at all the time.

    Yields
    ------
    Compared
        The noisy view itself first.
    """
    cancel = cancel or CancelToken()
    noisy = view.stack.read(view.region)
    yield _compared("noisy", noisy, 0.0, reference)
    make = PreviewMaker()
    for name in models:
        settings = view.settings.model_copy(update={"model": name, "output_dtype": "float32"})
        mine = replace(view, settings=settings)
        make.job(mine)
        started = perf_counter()
        pixels = make(mine, cancel).pixels(settings.strength)
        yield _compared(name, pixels, perf_counter() - started, reference)
    for name in baselines:
        cancel.check()
        started = perf_counter()
        pixels = BASELINES[name](noisy.astype(np.float32), rgb=view.stack.is_rgb)
        yield _compared(name, pixels, perf_counter() - started, reference)


def _compared(
    name: str, pixels: np.ndarray, seconds: float, reference: np.ndarray | None
) -> Compared:
    scores = None
    if reference is not None:
        scores = psnr(reference, pixels), _ssim(reference, pixels)
    return Compared(name, pixels.astype(np.float32), seconds, scores)


def _ssim(reference: np.ndarray, pixels: np.ndarray) -> float:
    """SSIM of the only plane of a view, of RGB the mean over the colours."""
    moved = [
        np.moveaxis(image, -1, 0) if image.shape[-1] in (3, 4) else image
        for image in (reference, pixels)
    ]
    return ssim(moved[0], moved[1], float(np.ptp(reference)) or 1.0)
