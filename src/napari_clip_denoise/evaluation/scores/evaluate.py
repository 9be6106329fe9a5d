"""Evaluation of several models and classical methods on the same images."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_clip_denoise.errors import door
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.evaluation.scores.datasets import (
    CleanImage,
    Condition,
    CTMetrics,
    SuiteName,
    conditions,
    read_image,
)
from napari_clip_denoise.evaluation.scores.methods import NOISY, Method, ModelMethod, make_methods
from napari_clip_denoise.evaluation.scores.noises import NoiseGenerator
from napari_clip_denoise.evaluation.scores.panels import CropGallery
from napari_clip_denoise.evaluation.scores.report import Evaluation, Measurement, MethodFacts
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

if TYPE_CHECKING:
    from napari_clip_denoise.models.checkpoint import Model

SIDE = 512
RUNS = 3


@door
def evaluate(
    models: "Sequence[str | Path | Model]" = ("compact",),
    data: Sequence[str | Path] = (),
    suite: SuiteName = "paper",
    baselines: Sequence[str] = (),
    *,
    noises: Sequence[str] = (),
    limit: int | None = None,
    noise_generator: NoiseGenerator = "pcg64",
    ct_metrics: CTMetrics = "window",
    clean: bool = True,
    self_ensemble: bool = False,
    device: str = "auto",
    on_row: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score models and classical methods on images whose truth is known.

    Parameters
    ----------
    models : sequence of str, Path or Model
        Names in the registry, files, or loaded models. The first one determines which crops the
        pictures show.
    data : sequence of str or Path
        Folders, each a set of images.
    suite : {"paper", "real", "ct"}
        ``"paper"``: clean images, grey or RGB, with each noise of the paper, seeded with 0 for
        every image; models get the values unchanged, and results are clipped to [0, 1].
        ``"real"``: folders that contain ``noisy`` and ``clean``; models map intensities as their
        cards recommend. The data range is 255 for 8-bit images; for others, and after the affine
        match, it is the range of the truth. ``"ct"``: the same in Hounsfield units, within the
        window from -1024 to 3072.
    baselines : sequence of str
        Any of ``"gaussian"``, ``"nlm"``, ``"wavelet"``, ``"tv"``, ``"bm3d"``, ``"vst-bm3d"``;
        all estimate the noise from the noisy image.
    noises : sequence of str
        Noises of the suite ``"paper"`` to use, such as ``"gaussian-25"`` or ``"poisson"``; all if
        empty.
    limit : int, optional
        Number of images to use from each set, from the first; by default all.
    noise_generator : {"pcg64", "reference"}
        Generator of the noise of the suite ``"paper"``. ``"reference"`` draws bit for bit as the
        test scripts of the paper's authors, which have no salt and pepper and no speckle.
    ct_metrics : {"window", "reference"}
        ``"reference"`` scores the suite ``"ct"`` as the authors do: PSNR and SSIM with 3096 instead
        of 3072 HU for the top of the window, and SSIM of images that zeros continue.
    clean : bool
        Whether to also measure how much the methods change the clean images themselves.
    self_ensemble, device :
        Options of the models, see `denoise`.
    on_row : callable, optional
        Called with a line of text for each row of PSNRs.

    Returns
    -------
    Evaluation
        Scores of each image, their means, times and pictures, as Markdown, CSV or JSON.

    Raises
    ------
    InputError, ModelError, DeviceError
        If an argument cannot be used; the message says what is wrong and what to do.
    """
    settings = make_settings(device=device)
    rows = conditions(
        suite,
        [Path(folder) for folder in data],
        noises=noises,
        limit=limit,
        noise_generator=noise_generator,
        ct_metrics=ct_metrics,
    )
    methods = make_methods(
        models,
        baselines,
        settings.device,
        self_ensemble=self_ensemble,
        clip_input=suite != "paper",
    )

    from napari_clip_denoise.inference.engine.device import resolve_device

    measurements: list[Measurement] = []
    galleries: dict[str, CropGallery] = {}
    for row in rows:
        gallery = galleries[f"{row.data}_{row.noise}".replace(" ", "_")] = CropGallery()
        found = _measure(row, methods, gallery)
        measurements += found
        if on_row:
            on_row(_line(row, found))
    files = list(dict.fromkeys(path for row in rows for path in row.files))
    facts = tuple(_facts(method, files if clean else []) for method in methods)
    where = str(resolve_device(settings.device))
    return Evaluation(suite, tuple(measurements), facts, where, galleries)


def _measure(row: Condition, methods: Sequence[Method], gallery: CropGallery) -> list[Measurement]:
    """Score the input and each method on each image of a row."""
    found = []
    for image in row.images():
        results = {
            method.name: method(image.noisy, rgb=image.rgb, intensity=row.intensity)
            for method in methods
        }
        if row.protocol.clip is not None:
            results = {name: result.clip(*row.protocol.clip) for name, result in results.items()}
        gallery.add(image.name, image.truth, image.noisy, results, rgb=image.rgb)
        found += [
            Measurement(
                name,
                row.data,
                row.noise,
                image.name,
                row.protocol.score(image.truth, result, rgb=image.rgb),
            )
            for name, result in {NOISY: image.noisy, **results}.items()
        ]
    return found


def _line(row: Condition, found: Sequence[Measurement]) -> str:
    names = dict.fromkeys(one.method for one in found)
    means = (
        (name, np.mean([one.scores["psnr"] for one in found if one.method == name]))
        for name in names
    )
    return f"{row.data}, {row.noise}: " + ", ".join(f"{name} {mean:.2f}" for name, mean in means)


def _facts(method: Method, files: Sequence[Path]) -> MethodFacts:
    images = [read_image(path) for path in files]
    return MethodFacts(
        method.name,
        seconds_per_plane(method),
        min((clean_psnr(method, image, np.uint8) for image in images), default=None),
        min((clean_psnr(method, image, np.uint16) for image in images), default=None),
    )


def clean_psnr(method: Method, image: CleanImage, dtype: type[np.integer]) -> float:
    """Return the PSNR in dB between a clean integer image and its denoised version.

    Parameters
    ----------
    method : Method
        The method.
    image : CleanImage
        The clean image.
    dtype : type of numpy.integer
        Integer type in which the image is stored.

    Returns
    -------
    float
        PSNR in dB; infinite if the method leaves the image unchanged.
    """
    top = np.iinfo(dtype).max
    clean = _stretched(image.pixels, top).astype(dtype)
    result = np.rint(method(clean, rgb=image.rgb).clip(0, top))
    return psnr(clean, result, float(top))


def _stretched(pixels: np.ndarray, top: int) -> np.ndarray:
    """Scale an image to the range from 0 to `top`; 8-bit images are only multiplied by a factor."""
    low, high = (0, 255) if pixels.dtype == np.uint8 else (pixels.min(), pixels.max())
    return np.rint((pixels.astype(np.float64) - low) * (top / max(high - low, 1e-9)))


def seconds_per_plane(method: Method) -> float:
    """Time a method on a simulated plane of 512 x 512 pixels, in RGB for models made for RGB."""
    plane = acquire(fluorescence((SIDE, SIDE), seed=0), seed=0).noisy
    rgb = isinstance(method, ModelMethod) and method.model.card.network.channels == 3
    if rgb:
        plane = np.stack([plane] * 3, axis=-1)
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        method(plane, rgb=rgb)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])
