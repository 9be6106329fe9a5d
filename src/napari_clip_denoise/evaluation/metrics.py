"""Metrics of the similarity between an image and its truth."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
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
"""Display names of the metrics, by short name."""


@dataclass(frozen=True)
class Protocol:
    """Metrics to compute, and the data range and clipping to use.

    Attributes
    ----------
    metrics : tuple of str
        Keys of `LABELS`.
    data_range : float or None
        Data range for PSNR and SSIM; None uses the range of each truth. The metrics after an affine
        match, which remove any gain and offset, always use the range of the truth.
    clip : (float, float) or None
        Range to which results, but not the noisy input, are clipped before they are scored.
    window : (float, float) or None
        Range to which truths, inputs and results are clipped while they are scored.
    top : float or None
        Value to which the upper end of the window is moved before PSNR and SSIM clip to it, as the
        paper's authors do for CT; None leaves it.
    pads_with_zeros : bool
        Whether SSIM continues images by zeros instead of leaving out the border.
    """

    metrics: tuple[str, ...]
    data_range: float | None = None
    clip: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    top: float | None = None
    pads_with_zeros: bool = False

    def score(self, truth: np.ndarray, image: np.ndarray, *, rgb: bool = False) -> dict[str, float]:
        """Score an image by each of the metrics.

        Parameters
        ----------
        truth, image : numpy.ndarray
            Truth and image, (..., Y, X), or (..., Y, X, 3) for RGB; same shape.
        rgb : bool
            True if the last axis holds RGB samples.

        Returns
        -------
        dict of str to float
            Scores by metric.
        """
        if rgb:
            truth, image = np.moveaxis(truth, -1, 0), np.moveaxis(image, -1, 0)
        plain = truth, image
        if self.window is not None:
            plain = truth.clip(*self.window), image.clip(*self.window)
            truth, image = self._moved(truth), self._moved(image)
        span = float(np.ptp(truth)) if self.data_range is None else self.data_range
        matched = match_affine(truth, image) if "si_psnr" in self.metrics else image
        scores = {
            "psnr": lambda: psnr(truth, image, span),
            "ssim": lambda: ssim(truth, image, span, pad_with_zeros=self.pads_with_zeros),
            "rmse": lambda: rmse(*plain),
            "si_psnr": lambda: psnr(truth, matched),
            "si_ssim": lambda: ssim(truth, matched),
            "registered_psnr": lambda: psnr(*register(truth, image), data_range=span),
        }
        return {name: scores[name]() for name in self.metrics}

    def _moved(self, values: np.ndarray) -> np.ndarray:
        """Move the upper end of the window to `top`, and clip to the window."""
        assert self.window is not None
        low, high = self.window
        gain = 1 if self.top is None else (self.top - low) / (high - low)
        moved = low + gain * (values - low) if gain != 1 else values
        return moved.clip(low, high)


def psnr(truth: np.ndarray, image: np.ndarray, data_range: float | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite if both images are equal.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Truth and image, of the same shape.
    data_range : float, optional
        Data range, in the unit of the images; by default the range of `truth`.

    Returns
    -------
    float
        PSNR in dB.
    """
    reference = np.asarray(truth, np.float64)
    span = float(np.ptp(reference)) if data_range is None else data_range
    with np.errstate(divide="ignore"):
        return float(
            peak_signal_noise_ratio(reference, np.asarray(image, np.float64), data_range=span)
        )


def ssim(
    truth: np.ndarray,
    image: np.ndarray,
    data_range: float | None = None,
    *,
    pad_with_zeros: bool = False,
) -> float:
    """Return the structural similarity (Wang et al., 2004: Gaussian window, sigma 1.5) of images.

    The window is 11 x 11 pixels; the border where it does not fit is left out, unless the images
    are continued by zeros.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Truth and image, of the same shape; the last two axes are YX.
    data_range : float, optional
        Data range, in the unit of the images; by default the range of `truth`.
    pad_with_zeros : bool
        Whether to continue the images by zeros.

    Returns
    -------
    float
        SSIM, averaged over the planes.
    """
    reference = np.asarray(truth, np.float64)
    span = float(np.ptp(reference)) if data_range is None else data_range
    planes = zip(
        reference.reshape(-1, *reference.shape[-2:]),
        np.asarray(image, np.float64).reshape(-1, *reference.shape[-2:]),
        strict=True,
    )
    scores = [
        _padded_ssim(a, b, span)
        if pad_with_zeros
        else structural_similarity(
            a, b, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in planes
    ]
    return float(np.mean(scores))


def _padded_ssim(first: np.ndarray, second: np.ndarray, span: float) -> float:
    """Return the SSIM of two planes that are continued by zeros."""

    def smooth(plane: np.ndarray) -> np.ndarray:
        return gaussian_filter(plane, 1.5, mode="constant", truncate=3.5)

    mean_1, mean_2 = smooth(first), smooth(second)
    variance_1, variance_2 = smooth(first**2) - mean_1**2, smooth(second**2) - mean_2**2
    covariance = smooth(first * second) - mean_1 * mean_2
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    above = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    below = (mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2)
    return float((above / below).mean())


def rmse(truth: np.ndarray, image: np.ndarray) -> float:
    """Return the root mean squared error, in the unit of the images."""
    return float(np.sqrt(np.square(np.subtract(truth, image, dtype=np.float64)).mean()))


def match_affine(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Scale and shift an image to fit its truth by least squares."""
    flat = np.asarray(image, np.float64).ravel()
    slope, shift = np.polyfit(flat, np.asarray(truth, np.float64).ravel(), 1)
    return (slope * flat + shift).reshape(image.shape)
