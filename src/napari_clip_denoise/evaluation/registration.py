"""Truths from which an image has drifted away."""

import numpy as np
from scipy.ndimage import shift as translate
from skimage.registration import phase_cross_correlation

STEPS_A_PIXEL = 20
REACH = 4
"""Largest drift that is undone in pixels, and the border that is left out."""


def register(truth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move an image in the plane to where it is most like its truth.

    A sample or stage that drifts between a frame and the many that the truth is the mean of costs
    decibels, whatever a method does. The translation is the maximum of the cross-correlation, to
    a twentieth of a pixel (Guizar-Sicairos et al., Optics Letters 2008, as scikit-image has it);
    values between the pixels are those of a cubic spline.

    Parameters
    ----------
    truth, image : numpy.ndarray
        Same shape; the last two axes are YX. All planes move alike.

    Returns
    -------
    truth, image : numpy.ndarray
        The image moved, unless it lies further away than `REACH`; both float64 and without a
        border of that width, or an eighth of the plane where that is less.
    """
    reference, moved = np.asarray(truth, np.float64), np.asarray(image, np.float64)
    planes = (side.reshape(-1, *side.shape[-2:]).mean(axis=0) for side in (reference, moved))
    centred = [plane - plane.mean() for plane in planes]
    drift, _, _ = phase_cross_correlation(
        *centred, normalization=None, upsample_factor=STEPS_A_PIXEL
    )
    if 0 < np.linalg.norm(drift) <= REACH:
        still = (0.0,) * (moved.ndim - 2)
        moved = translate(moved, (*still, *drift), order=3, mode="nearest")
    height, width = reference.shape[-2:]
    y, x = min(REACH, height // 8), min(REACH, width // 8)
    inner = np.s_[..., y : height - y, x : width - x]
    return reference[inner], moved[inner]
