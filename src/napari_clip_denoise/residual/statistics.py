"""Statistics that distinguish a residual from noise."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.noise.estimate import FEWEST, MAD_TO_DEVIATION, NoiseEstimate, high_pass

LAGS = 8
VARIANCE_BINS = 32
MOST_PLACES = 500
LEVEL_WIDTH = 1.0
SAMPLE = 2**15
"""Number of pixels from which the noise at each brightness, and spreads, are estimated."""
ROUNDING = 1 / 12
"""Variance of the error of rounding, in squared steps."""
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Residual:
    """What was removed from planes, and the noise that is expected of it.

    Attributes
    ----------
    noisy, clean : numpy.ndarray
        Noisy and denoised planes, (N, Y, X), raw values, floating point.
    values : numpy.ndarray
        Noisy minus denoised, (N, Y, X); 0 where it is not known.
    known : numpy.ndarray
        Mask of the pixels that are finite and not saturated, (N, Y, X), bool.
    step : float
        Step of the values of a result in whole numbers, 1; 0 for a floating-point result.
    """

    noisy: np.ndarray
    clean: np.ndarray
    values: np.ndarray
    known: np.ndarray
    step: float

    @classmethod
    def of(cls, noisy: np.ndarray, denoised: np.ndarray) -> "Residual":
        """Return the residual of planes, (N, Y, X) each."""
        exact = np.result_type(noisy, denoised, np.float32)
        before, clean = noisy.astype(exact), denoised.astype(exact)
        with np.errstate(invalid="ignore"):
            values = before - clean
        known = np.isfinite(values) & ~find_saturated(noisy)
        middle = np.median(clean[known]) if known.any() else 0
        step = float(denoised.dtype.kind in "ui")
        return cls(
            before,
            np.where(known, clean, middle).astype(exact, copy=False),
            np.where(known, values, 0).astype(exact, copy=False),
            known,
            step,
        )


def find_saturated(planes: np.ndarray) -> np.ndarray:
    """Find pixels at the upper limit of their integer type."""
    if planes.dtype.kind not in "ui":
        return np.zeros(planes.shape, bool)
    return planes == np.iinfo(planes.dtype).max


def sort_by_brightness(residual: Residual) -> list[np.ndarray]:
    """Return the indices of a sample of the known pixels in bins of rising brightness.

    Pixels are sorted by the denoised value around them, because their own may contain noise. The
    last bin is divided into ever finer ones.
    """
    level = gaussian_filter(residual.clean, (0, LEVEL_WIDTH, LEVEL_WIDTH))
    known = thinned(np.flatnonzero(residual.known))
    order = known[np.argsort(level.ravel()[known])]
    cuts = [len(order) * i // VARIANCE_BINS for i in range(1, VARIANCE_BINS)]
    rest = len(order) // VARIANCE_BINS
    while (rest := rest // 2) >= FEWEST:
        cuts.append(len(order) - rest)
    return [part for part in np.split(order, cuts) if len(part) > 1]


def noise_variance(residual: Residual, noise: NoiseEstimate, bins: list[np.ndarray]) -> np.ndarray:
    """Estimate the noise variance at each pixel, (N, Y, X).

    The line fitted to flat areas of the noisy image is unreliable at rare values. The fine grain of
    equally bright parts of the residual is a lower limit, and so is the error of rounding.
    """
    clean = residual.clean
    lowest = max(LEAST_VARIANCE, ROUNDING * residual.step**2)
    grain = high_pass(residual.values).ravel()
    values = np.array([clean.ravel()[part].mean() for part in bins])
    variances = np.array([np.square(grain[part]).mean() for part in bins])
    if not len(bins):
        return np.maximum(noise.variance(clean), lowest)
    rise = max(0.0, variances[-1] - variances[0]) / max(values[-1] - values[0], LEAST_VARIANCE)
    order = np.argsort(values)
    at_value = np.interp(clean, values[order], variances[order])
    at_value += np.maximum(clean - values[-1], 0) * rise
    return np.maximum(np.maximum(noise.variance(clean), at_value), lowest).astype(clean.dtype)


def autocorrelate(standard: np.ndarray) -> np.ndarray:
    """Return the normalised autocorrelation up to `LAGS` pixels, averaged over the planes."""
    height, width = standard.shape[1:]
    centred = standard - standard.mean(axis=(1, 2), keepdims=True)
    size = tuple(next_fast_len(side + LAGS, real=True) for side in (height, width))
    power = np.square(np.abs(rfft2(centred, size))).sum(axis=0)
    full = irfft2(power, size)
    lags = np.arange(-LAGS, LAGS + 1)
    found = full[np.ix_(lags, lags)]
    pairs = np.outer(height - np.abs(lags), width - np.abs(lags)).clip(1)
    found = found / pairs
    middle = found[LAGS, LAGS]
    return found / middle if middle > 0 else np.zeros_like(found)


def blur(standard: np.ndarray, scale: float) -> np.ndarray:
    """Blur planes so that white noise of variance 1 keeps that variance, also at the border."""
    blurred = gaussian_filter(standard, (0, scale, scale), mode="constant")
    gains = []
    for size in standard.shape[1:]:
        ones = np.ones(size)
        inside = gaussian_filter(ones, scale / np.sqrt(2), mode="constant")
        gains.append(np.sqrt(inside / np.sqrt(4 * np.pi) / scale))
    return blurred / np.outer(*gains).astype(standard.dtype)


def area(scale: float) -> float:
    """Return the number of pixels that a blur of this width averages."""
    return 4 * np.pi * scale**2


def deviation(values: np.ndarray) -> float:
    """Return the robust standard deviation of values (N,); 0 if there are none."""
    if not values.size:
        return 0.0
    values = thinned(values)
    return float(MAD_TO_DEVIATION * np.median(np.abs(values - np.median(values))))


def thinned(values: np.ndarray) -> np.ndarray:
    """Return about `SAMPLE` of the values (N,), evenly spaced."""
    return values[:: max(1, len(values) // SAMPLE)]


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation coefficient of two sets of values; 0 if one of them is constant."""
    if a.size < 2 or not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
