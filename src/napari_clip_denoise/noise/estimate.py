"""Estimation of the noise variance as a function of the value, from noisy images alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter

from napari_clip_denoise.noise.isolated import without_isolated
from napari_clip_denoise.noise.periodic import without_periodic

SMOOTHING = 2.0
MARGIN = 4
BINS = 48
FEWEST = 100
FLATTEST = 0.4
MAD_TO_DEVIATION = 1.4826
TOLERANCE = 0.1
ITERATIONS = 20
SAMPLE = 20_000
LEAST_RANGE = 1.0
"""Range of the local means, in deviations of the noise, that noise alone does not reach."""
FEW_VALUES = 64
COARSE = 3.0
"""Deviation, in steps of the values, below which counts are too few for a median."""


@dataclass(frozen=True)
class NoiseVariance:
    """Noise variance that is linear in the value: shot noise and read noise.

    Attributes
    ----------
    gain : float
        Slope of the variance over the value, in raw units per photon; 0 if it is constant.
    intercept : float
        Variance at the raw value 0; negative if the camera adds an offset.
    wide : float
        Variance of the mean of many pixels over what it would be if their noise were independent.
    """

    gain: float
    intercept: float
    wide: float = field(default=1.0, kw_only=True)

    def variance(self, values: np.ndarray) -> np.ndarray:
        """Return the variance at the given raw values, at least 0."""
        return np.maximum(self.gain * np.asarray(values, float) + self.intercept, 0)

    def scaled(self, factor: float) -> "NoiseVariance":
        """Return noise with `factor` times the variance."""
        return NoiseVariance(factor * self.gain, factor * self.intercept, wide=self.wide)


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
    function of the mean, unless the mean varies no more than noise makes it. Periodic structure and
    hot pixels are removed before. Spatially correlated noise is underestimated.

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
    planes = [plane for plane in planes if min(plane.shape) > 2 * MARGIN + 8]
    if not planes:
        return None
    parts = [_measure(plane) for plane in planes]
    means, residuals, slopes = (np.concatenate(part) for part in zip(*parts, strict=True))
    if means.size < 2 * FEWEST:
        return None
    values, variances, counts = _curve(means, residuals, slopes, quantisation_step(planes))
    if not len(values) or not variances.any():
        return None
    variance = float(np.average(variances, weights=counts))
    if np.ptp(np.quantile(means, (0.01, 0.99))) < LEAST_RANGE * np.sqrt(variance):
        return NoiseEstimate(0.0, variance, values, variances)
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
    filled = without_isolated(np.where(finite, plane, level).astype(np.float64))
    filled = without_periodic(filled)
    residual = high_pass(filled)
    mean = gaussian_filter(filled, SMOOTHING)
    slope = np.hypot(*np.gradient(mean))
    inner = (slice(MARGIN, -MARGIN),) * 2
    known = gaussian_filter((~finite).astype(np.float32), SMOOTHING)[inner] == 0
    return mean[inner][known], residual[inner][known], slope[inner][known]


def quantisation_step(planes: list[np.ndarray]) -> float:
    """Return the distance between the values of planes with few different ones, otherwise 0."""
    sample = np.concatenate([plane.ravel()[:: max(1, plane.size // SAMPLE)] for plane in planes])
    values = np.unique(sample[np.isfinite(sample)])
    return float(np.diff(values).min()) if 1 < len(values) <= FEW_VALUES else 0.0


def _curve(
    means: np.ndarray, residuals: np.ndarray, slopes: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean value, noise variance and number of pixels of each bin of means.

    The median deviation of few counts says little; their mean square takes its place.
    """
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
        variance = deviation**2 if deviation > COARSE * step else np.square(residuals[flat]).mean()
        points.append((means[flat].mean(), variance, flat.size))
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
