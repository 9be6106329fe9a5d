"""Search for structure in a residual: places, whole images, and a mean that shifts."""

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum_position

from napari_clip_denoise.noise.correlation import NoiseCorrelation, estimate_correlation
from napari_clip_denoise.noise.estimate import NoiseVariance
from napari_clip_denoise.residual.statistics import (
    MOST_PLACES,
    ROUNDING,
    Residual,
    area,
    blur,
    deviation,
    thinned,
)

SCALES = (2.0, 4.0)
SIGNIFICANT = 8.0
DIM_FRACTION = 0.5
LEAST_SEEN = 0.02
LEAST_LIGHT = 0.125
"""Smallest signal above the darkest pixel, in deviations of the noise, that light is taken for."""
FLAT_WIDTH = 4.0
FLAT = 0.25
"""Slow variation of the denoised value, in deviations of the noise, up to which it is flat."""
FEWEST_FLAT = 1000
SIGNIFICANT_SHIFT = 6.0
LEAST_SHIFT = 0.05
MOST_ROUNDED = 0.5
"""Fraction of the value beyond which even the rounding of a result is a loss."""
REACH = 3


def measure_correlation(residual: Residual, noise: NoiseVariance) -> NoiseCorrelation | None:
    """Measure the correlation of the noise in the flattest parts of the noisy planes.

    Parameters
    ----------
    residual : Residual
        The residual and its noisy planes.
    noise : NoiseVariance
        Variance of the noise, up to a factor.

    Returns
    -------
    NoiseCorrelation or None
        None if it cannot be measured.
    """
    return estimate_correlation(np.where(residual.known, residual.noisy, np.nan), noise)


def standardise(residual: Residual, variance: np.ndarray) -> np.ndarray:
    """Divide a residual by the standard deviation of the noise, (N, Y, X)."""
    return np.where(residual.known, residual.values / np.sqrt(variance), 0)


def find_structure(
    residual: Residual,
    standard: np.ndarray,
    variance: np.ndarray,
    correlation: NoiseCorrelation | None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Find the places where light was removed or added to an extent that noise cannot explain.

    The residual in units of the noise is averaged at each of `SCALES`. The unit is the spread in
    dim areas, which contain the least structure, but at least that of white noise, so that noise
    correlated between pixels raises no alarm. The skew of few photons is allowed for, and so is one
    step of a result in whole numbers.

    Parameters
    ----------
    residual : Residual
        The residual.
    standard, variance : numpy.ndarray
        The residual in units of the noise, and the variance of the noise, (N, Y, X).
    correlation : NoiseCorrelation or None
        Correlation of the noise, if it is known.

    Returns
    -------
    removed, added : numpy.ndarray
        (M, 3), plane, y and x, the clearest place first.
    spread : float
        Slow variation of the residual relative to that of the noise: robust standard deviation
        of the averages, the largest over all scales; 0 if the correlation is not known.
    """
    known, clean = residual.known, residual.clean
    is_dim = known
    if known.any():
        is_dim = known & (clean <= np.quantile(thinned(clean[known]), DIM_FRACTION))
    excess = np.zeros(clean.shape)
    spread = 0.0
    for scale in SCALES:
        averaged = blur(standard, scale)
        unit = max(1.0, deviation(averaged[is_dim]))
        if correlation is not None and known.any():
            rounded = residual.step**2 * ROUNDING * area(scale) / np.median(variance[known])
            expected = np.sqrt(_expected_variance(correlation, scale) + rounded)
            spread = max(spread, deviation(averaged[known]) / float(expected))
        averaged /= unit
        candidate = np.flatnonzero(np.abs(averaged) > SIGNIFICANT / 2)
        found = _without_skew(residual, averaged, variance, scale, candidate)
        here = excess.ravel()[candidate]
        excess.ravel()[candidate] = np.where(np.abs(found) > np.abs(here), found, here)
    return _peaks(excess), _peaks(-excess), spread


def _without_skew(
    residual: Residual,
    averaged: np.ndarray,
    variance: np.ndarray,
    scale: float,
    where: np.ndarray,
) -> np.ndarray:
    """Return averages at the pixels `where`, without what skew and rounding explain.

    The variance is taken half-way between the denoised and the noisy mean. Its growth with the
    value follows from the light, that is, the value above the darkest one.
    """
    found, noise = averaged.ravel()[where], variance.ravel()[where]
    light = residual.clean.ravel()[where] - residual.noisy.min(where=residual.known, initial=np.inf)
    gain = noise / np.maximum(light, LEAST_LIGHT * np.sqrt(noise))
    growth = 1 + gain * found / (2 * np.sqrt(noise * area(scale)))
    found = found / np.sqrt(np.maximum(growth, 0.25))
    if residual.step:
        mean = gaussian_filter(residual.values, (0, scale, scale)).ravel()[where]
        found = np.where(np.abs(mean) > residual.step, found, 0)
    return found


def _expected_variance(correlation: NoiseCorrelation, scale: float) -> float:
    """Return the variance of the averages of noise of this correlation; 1 for white noise.

    The noise was measured by its grain, which misses part of correlated noise.
    """
    reach = len(correlation.table) // 2
    lags = np.arange(-reach, reach + 1)
    kept = np.exp(-(np.square(lags[:, None]) + np.square(lags)) / (4 * scale**2))
    seen = np.clip(correlation.seen_by_high_pass, LEAST_SEEN, 1)
    return float(max(1.0, (correlation.table * kept).sum() / seen))


def _peaks(excess: np.ndarray) -> np.ndarray:
    """Return the peaks of connected regions above `SIGNIFICANT`, the highest first."""
    if not (excess > SIGNIFICANT).any():
        return np.empty((0, 3), int)
    connected = np.zeros((3, 3, 3), bool)
    connected[1] = True
    labels, count = label(excess > SIGNIFICANT, connected)
    peaks = np.array(maximum_position(excess, labels, np.arange(1, count + 1)), int)
    order = np.argsort(-excess[tuple(peaks.T)], kind="stable")
    return peaks[order][:MOST_PLACES]


def excess_correlation(
    autocorrelation: np.ndarray, correlation: NoiseCorrelation | None
) -> tuple[float, float]:
    """Return how much more a residual is correlated than the noise.

    Parameters
    ----------
    autocorrelation : numpy.ndarray
        Autocorrelation of the residual, from `autocorrelate`.
    correlation : NoiseCorrelation or None
        Correlation of the noise, if it is known.

    Returns
    -------
    nearby : float
        Largest excess up to `REACH` pixels from the middle; 0 if the noise is not known.
    far : float
        Largest absolute correlation of pixels further apart than that of any noise: a pattern
        that repeats.
    """
    middle = len(autocorrelation) // 2
    far = np.abs(autocorrelation)
    inner = REACH + 1
    far[middle - inner : middle + inner + 1, middle - inner : middle + inner + 1] = 0
    if correlation is None:
        return 0.0, float(far.max())
    reach = len(correlation.table) // 2
    within, of_noise = (
        table[m - REACH : m + REACH + 1, m - REACH : m + REACH + 1]
        for table, m in ((autocorrelation, middle), (correlation.table, reach))
    )
    nearby = within - np.maximum(of_noise, 0)
    nearby[REACH, REACH] = 0
    return float(nearby.max()), float(far.max())


def shifted_mean(residual: Residual, standard: np.ndarray, variance: np.ndarray) -> float:
    """Return the fraction of the light that is missing where the image is flat.

    Parameters
    ----------
    residual, standard, variance :
        See `find_structure`.

    Returns
    -------
    float
        Mean residual divided by the mean light, that is, the value above the darkest one; 0 if it
        is less than `LEAST_SHIFT`, not significant, or rounding.
    """
    if not residual.known.any():
        return 0.0
    slow = gaussian_filter(residual.clean, (0, FLAT_WIDTH, FLAT_WIDTH))
    spread = np.abs(residual.clean - slow)
    slope = np.hypot(*np.gradient(slow, axis=(1, 2))) * FLAT_WIDTH
    flat = residual.known & (np.maximum(spread, slope) < FLAT * np.sqrt(variance))
    n_flat = np.count_nonzero(flat)
    if n_flat < FEWEST_FLAT:
        return 0.0
    shift = float(residual.values[flat].mean(dtype=np.float64))
    noisy = residual.noisy[flat].mean(dtype=np.float64)
    light = float(noisy - residual.noisy.min(where=residual.known, initial=np.inf))
    unit = max(1.0, deviation(blur(standard, SCALES[-1])[flat]))
    score = abs(float(standard[flat].mean(dtype=np.float64))) * np.sqrt(n_flat) / unit
    fraction = shift / max(light, 1e-12)
    if score < SIGNIFICANT_SHIFT or abs(fraction) < LEAST_SHIFT:
        return 0.0
    is_rounding = abs(shift) <= residual.step / 2 and abs(shift) <= MOST_ROUNDED * abs(noisy)
    return 0.0 if is_rounding else fraction
