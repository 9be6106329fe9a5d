"""How close an image is to its truth."""

from dataclasses import dataclass

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_clip_denoise.evaluation.registration import register

LABELS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "rmse": "RMSE",
    "si_psnr": "PSNR after affine match (dB)",
    "si_ssim": "SSIM after affine match",
    "registered_psnr": "PSNR after registration (dB)",
}
"""Metrics by their short names."""


@dataclass(frozen=True)
class Protocol:
    """How results are scored.

    Attributes
    ----------
    metrics : tuple of str
        Keys of `LABELS`.
    data_range : float or None
        What counts as the peak; None takes the range of each truth. The metrics after an
        affine match, which undo any gain and offset, always take that.
    clip : (float, float) or None
        What results are clipped to before they are scored, the noisy input not.
    window : (float, float) or None
        What truths, inputs and results are clipped to where they are scored.
    """

    metrics: tuple[str, ...]
    data_range: float | None = None
    clip: tuple[float, float] | None = None
    window: tuple[float, float] | None = None

    def score(self, truth: np.ndarray, image: np.ndarray, *, rgb: bool = False) -> dict[str, float]:
        """Score an image by each of the metrics; `rgb` says that the last axis holds samples."""
        if rgb:
            truth, image = np.moveaxis(truth, -1, 0), np.moveaxis(image, -1, 0)
        if self.window is not None:
            truth, image = truth.clip(*self.window), image.clip(*self.window)
        span = float(np.ptp(truth)) if self.data_range is None else self.data_range
        matched = match_affine(truth, image) if "si_psnr" in self.metrics else image
        scores = {
            "psnr": lambda: psnr(truth, image, span),
            "ssim": lambda: ssim(truth, image, span),
            "rmse": lambda: rmse(truth, image),
            "si_psnr": lambda: psnr(truth, matched),
            "si_ssim": lambda: ssim(truth, matched),
            "registered_psnr": lambda: psnr(*register(truth, image), data_range=span),
        }
        return {name: scores[name]() for name in self.metrics}


def psnr(truth: np.ndarray, image: np.ndarray, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio in dB; infinite for the truth itself.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Same shape.
    data_range : float, optional
        What counts as the peak; by default the range of `truth`.
    """
    reference = np.asarray(truth, np.float64)
    span = float(np.ptp(reference)) if data_range is None else data_range
    with np.errstate(divide="ignore"):
        return float(
            peak_signal_noise_ratio(reference, np.asarray(image, np.float64), data_range=span)
        )


def ssim(truth: np.ndarray, image: np.ndarray, data_range: float | None = None) -> float:
    """Structural similarity (Wang et al., 2004: Gaussian window, sigma 1.5), mean over planes.

    The window is 11 x 11 and the border, where it does not fit, is left out.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Same shape; the last two axes are YX.
    data_range : float, optional
        See `psnr`.
    """
    reference = np.asarray(truth, np.float64)
    span = float(np.ptp(reference)) if data_range is None else data_range
    planes = zip(
        reference.reshape(-1, *reference.shape[-2:]),
        np.asarray(image, np.float64).reshape(-1, *reference.shape[-2:]),
        strict=True,
    )
    scores = [
        structural_similarity(
            a, b, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in planes
    ]
    return float(np.mean(scores))


def rmse(truth: np.ndarray, image: np.ndarray) -> float:
    """Root of the mean squared error, in the images' unit."""
    return float(np.sqrt(np.square(np.subtract(truth, image, dtype=np.float64)).mean()))


def match_affine(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Scale and shift an image to the least-squares fit of its truth."""
    flat = np.asarray(image, np.float64).ravel()
    slope, shift = np.polyfit(flat, np.asarray(truth, np.float64).ravel(), 1)
    return (slope * flat + shift).reshape(image.shape)
