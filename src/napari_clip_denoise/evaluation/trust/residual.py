"""Statistics that distinguish a residual from noise."""

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter, label, maximum_position

from napari_clip_denoise.noise.estimate import FEWEST, MAD_TO_DEVIATION

LAGS = 8
SCALES = (1.0, 2.0, 4.0)
SIGNIFICANT = 6.0
VARIANCE_BINS = 32
DIM_SHARE = 0.5
MOST_PLACES = 500


def find_saturated(planes: np.ndarray) -> np.ndarray:
    """Find pixels at the upper limit of their integer type."""
    if planes.dtype.kind not in "ui":
        return np.zeros(planes.shape, bool)
    return planes == np.iinfo(planes.dtype).max


def grain_variance(clean: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Estimate the noise variance at each pixel from the fine grain of equally bright parts.

    The line fitted to flat areas of the noisy image is unreliable at rare bright values.

    Parameters
    ----------
    clean, residual : numpy.ndarray
        Denoised image and residual, (N, Y, X).

    Returns
    -------
    numpy.ndarray
        Noise variance at each pixel, (N, Y, X).
    """
    second = np.array([1, -2, 1])
    grain = correlate1d(correlate1d(residual, second, 1), second, 2) / 6
    level = gaussian_filter(clean, (0, 1, 1))
    bins = _bins(np.argsort(level, axis=None))
    values = np.array([level.ravel()[part].mean() for part in bins])
    variances = np.array([_deviation(grain.ravel()[part]) ** 2 for part in bins])
    rise = (variances[-1] - variances[0]) / max(values[-1] - values[0], 1e-12)
    above = np.maximum(clean - values[-1], 0) * max(rise, 0)
    return np.maximum(np.interp(clean, values, variances) + above, 1e-12)


def variance_curve(
    level: np.ndarray, clean: np.ndarray, residual: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the variance of the residual against the denoised value, in bins by brightness.

    Parameters
    ----------
    level : numpy.ndarray
        Values by which the pixels are sorted, (N,): the denoised value around each pixel, because
        the value of the pixel itself may contain noise.
    clean, residual, noise : numpy.ndarray
        Denoised value, residual and noise variance of each pixel, (N,).

    Returns
    -------
    intensities, variances, expected : numpy.ndarray
        Mean denoised value, residual variance and mean noise variance of each bin, (M,).
    """
    bins = _bins(np.argsort(level)) if len(level) else []
    return (
        np.array([clean[part].mean() for part in bins]),
        np.array([residual[part].var() for part in bins]),
        np.array([noise[part].mean() for part in bins]),
    )


def _bins(order: np.ndarray) -> list[np.ndarray]:
    """Divide sorted pixels into bins of equal size, and the last bin into ever finer ones."""
    cuts = [len(order) * i // VARIANCE_BINS for i in range(1, VARIANCE_BINS)]
    rest = len(order) // VARIANCE_BINS
    while (rest := rest // 2) >= FEWEST:
        cuts.append(len(order) - rest)
    return [part for part in np.split(order, cuts) if len(part) > 1]


def autocorrelate(standard: np.ndarray) -> np.ndarray:
    """Return the normalised autocorrelation up to `LAGS` pixels, averaged over the planes."""
    height, width = standard.shape[1:]
    centred = standard - standard.mean(axis=(1, 2), keepdims=True)
    size = (height + LAGS, width + LAGS)
    power = np.square(np.abs(np.fft.rfft2(centred, size))).sum(axis=0)
    full = np.fft.irfft2(power, size)
    lags = np.arange(-LAGS, LAGS + 1)
    found = full[np.ix_(lags, lags)]
    pairs = np.outer(height - np.abs(lags), width - np.abs(lags)).clip(1)
    found = found / pairs
    middle = found[LAGS, LAGS]
    return found / middle if middle > 0 else np.zeros_like(found)


def blurred_extremes(
    standard: np.ndarray, clean: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Blur the residual at all scales and return its extremes relative to those of noise.

    The unit is the spread in dim areas, which contain the least structure, but at least that of
    white noise. Noise that is correlated between pixels therefore raises no alarm by itself.

    Parameters
    ----------
    standard : numpy.ndarray
        Residual in units of the standard deviation of the noise, (N, Y, X).
    clean : numpy.ndarray
        Denoised image, (N, Y, X).
    known : numpy.ndarray
        Mask of the valid pixels, (N, Y, X), bool.

    Returns
    -------
    highest, lowest : numpy.ndarray
        Extremes over the scales at each pixel, (N, Y, X).
    largest : float
        Largest standard deviation over the scales, relative to that of white noise.
    """
    highest = np.full(standard.shape, -np.inf)
    lowest = np.full(standard.shape, np.inf)
    largest = 0.0
    dim = known & (clean <= np.quantile(clean[known], DIM_SHARE) if known.any() else False)
    for scale in SCALES:
        blurred = _blur(standard, scale)
        largest = max(largest, _deviation(blurred[known]))
        unit = max(1.0, _deviation(blurred[dim]))
        highest = np.maximum(highest, blurred / unit)
        lowest = np.minimum(lowest, blurred / unit)
    return highest, lowest, largest


def _blur(standard: np.ndarray, scale: float) -> np.ndarray:
    """Blur planes so that white noise of variance 1 keeps that variance, also at the border."""
    width = (0, scale, scale)
    blurred = gaussian_filter(standard, width, mode="constant")
    impulse = np.zeros((65, 65))
    impulse[32, 32] = 1
    gain = np.square(gaussian_filter(impulse, scale)).sum()
    inside = gaussian_filter(
        np.ones((1, *standard.shape[1:])), (0, *(scale / np.sqrt(2),) * 2), mode="constant"
    )
    return blurred / np.sqrt(gain * inside)


def _deviation(values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    return float(MAD_TO_DEVIATION * np.median(np.abs(values - np.median(values))))


def find_places(excess: np.ndarray) -> np.ndarray:
    """Return the peaks of connected regions above `SIGNIFICANT`, the highest first."""
    connected = np.zeros((3, 3, 3), bool)
    connected[1] = True
    labels, count = label(excess > SIGNIFICANT, connected)
    if not count:
        return np.empty((0, 3), int)
    peaks = np.array(maximum_position(excess, labels, np.arange(1, count + 1)), int)
    order = np.argsort(-excess[tuple(peaks.T)], kind="stable")
    return peaks[order][:MOST_PLACES]


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation coefficient of two sets of values; 0 if one of them is constant."""
    if a.size < 2 or not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
