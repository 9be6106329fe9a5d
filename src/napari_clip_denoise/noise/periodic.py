"""Removal of periodic structure, which estimators of the noise would otherwise take for noise."""

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter

LONGEST_PERIOD = 20.0
"""Period in pixels beyond which structure does not disturb an estimate."""
NEIGHBOURHOOD = 15
PEAK = 40.0
"""Power of a peak over the geometric mean of its neighbours; noise stays below half of it."""


def without_periodic(plane: np.ndarray) -> np.ndarray:
    """Remove checkers, gratings and other periodic structure from a plane.

    Such structure is a few isolated peaks of the power spectrum, while noise, also noise that
    neighbouring pixels share, has a smooth one.

    Parameters
    ----------
    plane : numpy.ndarray
        (Y, X), raw values; non-finite ones are kept.

    Returns
    -------
    numpy.ndarray
        (Y, X), float64; the plane itself if it has no such structure.

    References
    ----------
    Moisan, "Periodic plus smooth image decomposition", Journal of Mathematical Imaging and Vision
    39, 2011, for the jumps between opposite borders, which would look like peaks.
    """
    finite = np.isfinite(plane)
    if not finite.any():
        return plane
    filled = plane.astype(np.float64)
    if not finite.all():
        filled[~finite] = np.median(plane[finite])
    spectrum = fft.rfft2(filled - filled.mean()) - _spectrum_of_jumps(filled)
    power = np.square(np.abs(spectrum))
    floor = np.finfo(float).eps * power.mean() + np.finfo(float).tiny
    around = uniform_filter(np.log(power + floor), NEIGHBOURHOOD, mode=("wrap", "nearest"))
    frequency = np.hypot(fft.fftfreq(plane.shape[0])[:, None], fft.rfftfreq(plane.shape[1]))
    peaks = (power > PEAK * np.exp(around)) & (frequency > 1 / LONGEST_PERIOD)
    if not peaks.any():
        return plane
    structure = fft.irfft2(np.where(peaks, spectrum, 0), plane.shape)
    return plane - structure


def _spectrum_of_jumps(plane: np.ndarray) -> np.ndarray:
    """Return the half spectrum of the smooth image with the same jumps at the borders."""
    jumps = np.zeros_like(plane)
    down, right = plane[-1] - plane[0], plane[:, -1] - plane[:, 0]
    jumps[0] += down
    jumps[-1] -= down
    jumps[:, 0] += right
    jumps[:, -1] -= right
    rows = np.cos(2 * np.pi * fft.fftfreq(plane.shape[0]))[:, None]
    columns = np.cos(2 * np.pi * fft.rfftfreq(plane.shape[1]))
    laplacian = 2 * rows + 2 * columns - 4
    laplacian[0, 0] = 1
    smooth = fft.rfft2(jumps) / laplacian
    smooth[0, 0] = 0
    return smooth
