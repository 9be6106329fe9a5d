"""How close an image is to its truth."""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def psnr(truth: np.ndarray, image: np.ndarray, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio in dB.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Same shape.
    data_range : float, optional
        What counts as the peak; by default the range of `truth`.
    """
    reference = np.asarray(truth, np.float64)
    span = float(np.ptp(reference)) if data_range is None else data_range
    return float(peak_signal_noise_ratio(reference, np.asarray(image, np.float64), data_range=span))


def ssim(truth: np.ndarray, image: np.ndarray, data_range: float | None = None) -> float:
    """Structural similarity (Wang et al., 2004: Gaussian window, sigma 1.5), mean over planes.

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


def match_affine(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Scale and shift an image to the least-squares fit of its truth."""
    flat = np.asarray(image, np.float64).ravel()
    slope, shift = np.polyfit(flat, np.asarray(truth, np.float64).ravel(), 1)
    return (slope * flat + shift).reshape(image.shape)
