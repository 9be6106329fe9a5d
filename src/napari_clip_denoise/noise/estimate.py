"""Estimation of the noise variance as a function of the value, from noisy images alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter

SMOOTHING = 2.0
MARGIN = 4
BINS = 48
FEWEST = 100
FLATTEST = 0.4
MAD_TO_DEVIATION = 1.4826
TOLERANCE = 0.1
ITERATIONS = 20


@dataclass(frozen=True)
class NoiseVariance:
    """Noise variance that is linear in the value: shot noise and read noise.

    Attributes
    ----------
    gain : float
        Slope of the variance over the value, in raw units per photon; 0 if it is constant.
    intercept : float
        Variance at the raw value 0; negative if the camera adds an offset.
    """

    gain: float
    intercept: float

    def variance(self, values: np.ndarray) -> np.ndarray:
        """Return the variance at the given raw values, at least 0."""
        return np.maximum(self.gain * np.asarray(values, float) + self.intercept, 0)

    def scaled(self, factor: float) -> "NoiseVariance":
        """Return noise with `factor` times the variance."""
        return NoiseVariance(factor * self.gain, factor * self.intercept)


@dataclass(frozen=True, eq=False)
class NoiseEstimate(NoiseVariance):
    """Noise variance as estimated from images.

    Attributes
    ----------
    gain, intercept : float
        The fitted line, see `NoiseVariance`.
    values, variances : numpy.ndarray
        Measured points (N,) that the line was fitted to.
    """

    values: np.ndarray
    variances: np.ndarray


def estimate_noise(planes: Iterable[np.ndarray]) -> NoiseEstimate | None:
    """Estimate Poisson-Gaussian noise from noisy planes of one channel.

    Immerkær's filter does not respond to linear slopes or to straight edges along an axis. Its
    variance is measured robustly in flat areas of similar mean, and a line is fitted to it as a
    function of the mean. Spatially correlated noise is underestimated.

    Parameters
    ----------
    planes : iterable of numpy.ndarray
        (Y, X) each, raw values; non-finite values are ignored.

    Returns
    -------
    NoiseEstimate or None
        None if there are too few pixels.

    References
    ----------
    Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64,
    1996. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
    raw-data", IEEE Transactions on Image Processing 17, 2008.
    """
    parts = [_measure(plane) for plane in planes if min(plane.shape) > 2 * MARGIN + 8]
    if not parts:
        return None
    means, residuals, slopes = (np.concatenate(part) for part in zip(*parts, strict=True))
    if means.size < 2 * FEWEST:
        return None
    values, variances, counts = _curve(means, residuals, slopes)
    if not len(values) or not variances.any():
        return None
    gain, intercept = _fit(values, variances, counts)
    return NoiseEstimate(gain, intercept, values, variances)


def high_pass(planes: np.ndarray) -> np.ndarray:
    """Apply Immerkær's high-pass filter to (..., Y, X), preserving the variance of white noise."""
    second = np.array([1, -2, 1])
    return correlate1d(correlate1d(planes, second, -2), second, -1) / 6


def _measure(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return local mean, noise residual and slope of the local mean at each pixel, flattened."""
    finite = np.isfinite(plane)
    level = np.median(plane[finite]) if finite.any() else 0
    filled = np.where(finite, plane, level).astype(np.float64)
    residual = high_pass(filled)
    mean = gaussian_filter(filled, SMOOTHING)
    slope = np.hypot(*np.gradient(mean))
    inner = (slice(MARGIN, -MARGIN),) * 2
    known = gaussian_filter((~finite).astype(np.float32), SMOOTHING)[inner] == 0
    return mean[inner][known], residual[inner][known], slope[inner][known]


def _curve(
    means: np.ndarray, residuals: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean value, noise variance and number of pixels of each bin of means."""
    low, high = np.quantile(means, (0.002, 0.998))
    n_bins = int(np.clip(means.size // (4 * FEWEST), 1, BINS))
    bins = np.digitize(means, np.linspace(low, high, n_bins + 1)) - 1
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(n_bins + 1))
    points = []
    for first, last in pairwise(edges):
        inside = order[first:last]
        if inside.size < 2 * FEWEST:
            continue
        flat = inside[slopes[inside] <= np.quantile(slopes[inside], FLATTEST)]
        deviation = MAD_TO_DEVIATION * np.median(np.abs(residuals[flat]))
        points.append((means[flat].mean(), deviation**2, flat.size))
    values, variances, counts = np.array(points).reshape(-1, 3).T
    return values, variances, counts


def _fit(values: np.ndarray, variances: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Fit a line by relative error; points far above it, which contain structure, weigh less."""
    smallest = variances[variances > 0].min()
    design = np.stack([values, np.ones_like(values)], axis=1)
    fitted = np.maximum(variances, smallest)
    trust = np.ones_like(values)
    line = np.zeros(2)
    for _ in range(ITERATIONS):
        weight = np.sqrt(counts) / fitted * trust
        line = np.linalg.lstsq(design * weight[:, None], variances * weight)[0]
        if len(values) == 1 or line[0] <= 0:
            squared = weight**2
            line = np.array([0, (squared * variances).sum() / squared.sum()])
        fitted = np.maximum(design @ line, smallest / 4)
        excess = (variances - fitted) / fitted
        trust = np.sqrt(TOLERANCE / np.maximum(excess, TOLERANCE))
    return float(line[0]), float(line[1])
