"""Registration of an image to its truth, to correct drift."""

import numpy as np
from scipy.ndimage import shift as translate
from skimage.registration import phase_cross_correlation

STEPS_PER_PIXEL = 20
REACH = 4
"""Largest drift that is corrected, and width of the border that is left out, in pixels."""


def register(truth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift an image within the plane to match its truth.

    The truth is often the mean of many frames. If the sample or stage drifts between these and the
    noisy frame, every method loses decibels. The shift maximises the cross-correlation, to a
    twentieth of a pixel (Guizar-Sicairos et al., Optics Letters 2008, as implemented in
    scikit-image); values between pixels are interpolated with a cubic spline.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Truth and image, of the same shape; the last two axes are YX. All planes are shifted by the
        same amount.

    Returns
    -------
    truth, image : numpy.ndarray
        The truth and the shifted image, float64. The image is not shifted if the drift exceeds
        `REACH`. A border of `REACH` pixels, or an eighth of the plane if that is less, is cut off.
    """
    reference, moved = np.asarray(truth, np.float64), np.asarray(image, np.float64)
    planes = (side.reshape(-1, *side.shape[-2:]).mean(axis=0) for side in (reference, moved))
    centred = [plane - plane.mean() for plane in planes]
    drift, _, _ = phase_cross_correlation(
        *centred, normalization=None, upsample_factor=STEPS_PER_PIXEL
    )
    if 0 < np.linalg.norm(drift) <= REACH:
        still = (0.0,) * (moved.ndim - 2)
        moved = translate(moved, (*still, *drift), order=3, mode="nearest")
    height, width = reference.shape[-2:]
    y, x = min(REACH, height // 8), min(REACH, width // 8)
    inner = np.s_[..., y : height - y, x : width - x]
    return reference[inner], moved[inner]
