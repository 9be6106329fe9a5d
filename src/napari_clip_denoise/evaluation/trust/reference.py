"""Scores of a result against a reference."""

import numpy as np

from napari_clip_denoise.evaluation.metrics import match_affine, psnr, ssim
from napari_clip_denoise.evaluation.registration import register


def score(reference: np.ndarray, noisy: np.ndarray, denoised: np.ndarray) -> dict[str, float]:
    """Score a noisy and a denoised image against a reference.

    Parameters
    ----------
    reference, noisy, denoised : numpy.ndarray
        Images of one channel, (Y, X) or (N, Y, X), of the same shape.

    Returns
    -------
    dict
        PSNR in dB over the range of the reference, and SSIM; both also after a least-squares fit of
        scale and offset, which ignores differences in brightness; and PSNR after `register`, which
        shows the loss caused by drift between the images.
    """
    span = float(np.ptp(reference)) or 1.0
    scores = {}
    for name, image in (("noisy", noisy), ("denoised", denoised)):
        fitted = match_affine(reference, image)
        scores[f"PSNR {name}"] = psnr(reference, image, span)
        scores[f"SSIM {name}"] = ssim(reference, image, span)
        scores[f"scale-invariant PSNR {name}"] = psnr(reference, fitted, span)
        scores[f"scale-invariant SSIM {name}"] = ssim(reference, fitted, span)
        scores[f"registered PSNR {name}"] = psnr(*register(reference, image), span)
    return scores
