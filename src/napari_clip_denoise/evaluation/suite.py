"""Scores on images whose truth is known: synthetic noise on clean images, and real pairs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.metrics import match_affine, psnr
from napari_clip_denoise.images.grid import whole
from napari_clip_denoise.images.source import open_stack
from napari_clip_denoise.inference.run import denoise
from napari_clip_denoise.models.card import Score
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.noise.models import Gaussian

SIGMAS = (15, 25, 50)
METRIC = "PSNR (dB)"
AFFINE_METRIC = "PSNR after affine match (dB)"
Report = Callable[[str], None]


def score(model: Model, data: Path, *, device: str = "auto", report: Report = print) -> list[Score]:
    """Score a model on the sets that a folder holds.

    Parameters
    ----------
    model : Model
        A model for grey planes.
    data : Path
        Folder with any of ``set12`` (clean grey pictures), and ``fmd`` and ``w2s`` (folders
        ``noisy`` and ``clean`` with files of the same names).
    device : str
        See `DenoiseSettings`.
    report : callable
        Told each score as a line.

    Returns
    -------
    list of Score
        Means over the images of a set, but for FMD, whose images get a score each.

    Raises
    ------
    InputError
        If the folder holds none of the sets.
    """
    scores = []
    for found in (
        *_set12(model, data, device),
        *_fmd(model, data, device),
        *_w2s(model, data, device),
    ):
        report(f"{found.data}, {found.noise}: {found.noisy:.2f} -> {found.denoised:.2f}")
        scores.append(found)
    if not scores:
        raise InputError(f"{data} holds none of the folders set12, fmd and w2s; give another.")
    return scores


def _set12(model: Model, data: Path, device: str) -> Iterator[Score]:
    """Gaussian noise, not clipped, seeded 0 for every image, values fed as they are."""
    files = sorted((data / "set12").glob("*.png"))
    for sigma in SIGMAS if files else ():
        pairs = []
        for path in files:
            clean = _read(path) / 255
            noisy = Gaussian(sigma / 255)(clean, np.random.default_rng(0))
            result = denoise(noisy, model, intensity=(0.0, 1.0), device=device)
            pairs.append((psnr(clean, noisy, 1.0), psnr(clean, result, 1.0)))
        yield _mean("Set12", f"Gaussian, sigma {sigma}", METRIC, pairs)


def _fmd(model: Model, data: Path, device: str) -> Iterator[Score]:
    """One raw frame against the mean of 50, 8 bit."""
    for path in sorted((data / "fmd" / "noisy").glob("*.tif")):
        clean, noisy = _read(path.parents[1] / "clean" / path.name), _read(path)
        result = denoise(noisy, model, device=device)
        pair = (psnr(clean, noisy, 255), psnr(clean, result, 255))
        yield _mean(f"FMD {path.stem}", "real, one frame", METRIC, [pair])


def _w2s(model: Model, data: Path, device: str) -> Iterator[Score]:
    """One frame against the mean of 400, each stretched by itself; range of the reference."""
    pairs = []
    for path in sorted((data / "w2s" / "noisy").glob("*.tif")):
        clean, noisy = _read(path.parents[1] / "clean" / path.name), _read(path)
        result = denoise(noisy, model, device=device)
        pairs.append(
            (psnr(clean, match_affine(clean, noisy)), psnr(clean, match_affine(clean, result)))
        )
    if pairs:
        yield _mean(f"W2S, {len(pairs)} images", "real, one frame", AFFINE_METRIC, pairs)


def _read(path: Path) -> np.ndarray:
    stack = open_stack(path)
    return stack.read(whole(stack.shape)).astype(np.float32)


def _mean(data: str, noise: str, metric: str, pairs: list[tuple[float, float]]) -> Score:
    noisy, denoised = np.mean(pairs, axis=0).round(2).tolist()
    return Score(data=data, noise=noise, metric=metric, noisy=noisy, denoised=denoised)
