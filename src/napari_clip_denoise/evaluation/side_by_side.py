"""Comparison of several models and classical methods on the same view."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from napari_clip_denoise.evaluation.metrics import psnr, ssim
from napari_clip_denoise.evaluation.scores.baselines import BASELINES
from napari_clip_denoise.formatting import software
from napari_clip_denoise.images.intensity_methods import intensity_label
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken


@dataclass(frozen=True, eq=False)
class Compared:
    """Result of one method on a view.

    Attributes
    ----------
    name : str
        Full name of the method: that of the model or the label of the baseline.
    pixels : numpy.ndarray
        Denoised pixels, float32, in the shape of the view's region.
    seconds : float
        Computing time in seconds, without loading the model.
    scores : (float, float) or None
        PSNR in dB and SSIM; None without a reference.
    remark : str
        Setting that differs from those of the view; empty for none.
    provenance : dict
        Record of how the result was made.
    """

    name: str
    pixels: np.ndarray
    seconds: float
    scores: tuple[float, float] | None
    provenance: dict[str, Any]
    remark: str = ""

    @property
    def title(self) -> str:
        """Name, and PSNR if there is a reference."""
        return self.name if self.scores is None else f"{self.name} · {self.scores[0]:.1f} dB"

    @property
    def details(self) -> str:
        """Name, time, scores and remark in one line."""
        parts = [self.name, *([f"{self.seconds:.2f} s"] if self.seconds else [])]
        if self.scores is not None:
            parts += [f"{self.scores[0]:.1f} dB", f"SSIM {self.scores[1]:.3f}"]
        return " · ".join([*parts, self.remark] if self.remark else parts)


def compare_view(
    view: View,
    models: Sequence[str],
    baselines: Sequence[str],
    reference: np.ndarray | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Compared]:
    """Denoise a view with one method after the other.

    Parameters
    ----------
    view : View
        View to denoise; its settings apply to all models, except for the model itself.
    models, baselines : sequence of str
        Names in the registry, and keys of `baselines.BASELINES`.
    reference : numpy.ndarray, optional
        Truth of the view's region, in its shape.
    cancel : CancelToken, optional
        Token that stops the work; checked frequently.

    Yields
    ------
    Compared
        The noisy view first, then the result of each method.
    """
    from napari_clip_denoise.inference.engine.job import intensity_for
    from napari_clip_denoise.inference.provenance import provenance

    cancel = cancel or CancelToken()
    noisy = view.stack.read(view.region)
    origin = view.stack.origin
    yield _compared("Noisy", noisy, 0.0, reference, {"software": software(), "part_of": origin})
    make = PreviewMaker()
    for name in models:
        settings = view.settings.model_copy(update={"model": name, "output_dtype": "float32"})
        mine = replace(view, settings=settings)
        job = make.job(mine)
        started = perf_counter()
        pixels = make(mine, cancel).pixels(settings.strength)
        seconds = perf_counter() - started
        used = intensity_for(job.runner.card, settings)
        remark = "" if used == settings.intensity else f"intensity {intensity_label(used)}"
        yield _compared(name, pixels, seconds, reference, provenance(job, settings), remark)
    for name in baselines:
        cancel.check()
        started = perf_counter()
        pixels = BASELINES[name](noisy.astype(np.float32), rgb=view.stack.is_rgb)
        seconds = perf_counter() - started
        how = {"software": software(), "source": origin, "method": name}
        yield _compared(BASELINES[name].label, pixels, seconds, reference, how)


def _compared(
    name: str,
    pixels: np.ndarray,
    seconds: float,
    reference: np.ndarray | None,
    how: dict[str, Any],
    remark: str = "",
) -> Compared:
    scores = None
    if reference is not None:
        scores = psnr(reference, pixels), _ssim(reference, pixels)
    return Compared(name, pixels.astype(np.float32), seconds, scores, how, remark)


def _ssim(reference: np.ndarray, pixels: np.ndarray) -> float:
    """Return the SSIM of a view's only plane; for RGB, the mean over the colours."""
    moved = [
        np.moveaxis(image, -1, 0) if image.shape[-1] in (3, 4) else image
        for image in (reference, pixels)
    ]
    return ssim(moved[0], moved[1], float(np.ptp(reference)) or 1.0)
