"""Whether a denoised image can be trusted: what was removed should be noise, and only noise."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter, label, maximum_position

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.metrics import match_affine, psnr, ssim
from napari_clip_denoise.noise.estimate import (
    FEWEST,
    MAD_TO_DEVIATION,
    SMOOTHING,
    NoiseEstimate,
    estimate_noise,
)

LAGS = 8
NEAR = 3
SCALES = (1.0, 2.0, 4.0)
SIGNIFICANT = 6.0
SPREAD_LIMIT = 1.3
CORRELATION_LIMIT = 0.1
LEAST_SHARE = 0.6
VARIANCE_BINS = 32
DIM_SHARE = 0.5
MOST_PLACES = 500


@dataclass(frozen=True, eq=False)
class TrustReport:
    """What the residual (noisy minus denoised) tells.

    Attributes
    ----------
    verdict : str
        In plain words.
    is_flagged : bool
        Whether something other than noise was removed, or added.
    removed, added : numpy.ndarray
        (N, 3), plane, y and x of places where light was taken away or put in that noise
        cannot explain, the clearest first.
    residual : numpy.ndarray
        (N, Y, X), noisy minus denoised, float32.
    autocorrelation : numpy.ndarray
        (2 LAGS + 1, 2 LAGS + 1), of the residual in units of the noise; 1 in the middle, 0
        elsewhere where it is white.
    nearby_correlation : float
        Largest of it within `NEAR` pixels of the middle.
    spread : float
        Slow variation of the residual relative to that of white noise: robust standard deviation
        after a blur, the largest of all `SCALES`.
    intensities, variances : numpy.ndarray
        Residual variance over the denoised value, (M,).
    noise : NoiseEstimate or None
        Measured in the noisy image alone; None if it has no noise.
    noise_share : float
        Residual variance relative to that of the noise.
    image_correlation : float
        Pearson correlation of residual and denoised image.
    scores : dict
        Figure by name, if there is a reference.
    """

    verdict: str
    is_flagged: bool
    removed: np.ndarray
    added: np.ndarray
    residual: np.ndarray
    autocorrelation: np.ndarray
    nearby_correlation: float
    spread: float
    intensities: np.ndarray
    variances: np.ndarray
    noise: NoiseEstimate | None
    noise_share: float
    image_correlation: float
    scores: dict[str, float] = field(default_factory=dict)


def check_result(
    noisy: np.ndarray, denoised: np.ndarray, reference: np.ndarray | None = None
) -> TrustReport:
    """Tell whether only noise was removed from an image.

    Under a perfect denoiser the residual is the noise: white, of mean zero everywhere, and of
    the variance that the noisy image itself shows at flat places of that value. The residual is
    therefore divided by the noise's standard deviation and blurred at several scales, where it
    must stay within what white noise reaches. Where it does not, structure was removed or added.

    Parameters
    ----------
    noisy, denoised : numpy.ndarray
        (Y, X) or (N, Y, X), of one channel. Saturated pixels and those that are not finite
        are left out.
    reference : numpy.ndarray, optional
        The truth or a much less noisy image, same shape.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    shapes = {image.shape for image in (noisy, denoised, reference) if image is not None}
    if len(shapes) > 1:
        raise InputError(
            "The images differ in size ("
            + " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes))
            + "); choose a result and the image it was made from."
        )
    planes = noisy.reshape(-1, *noisy.shape[-2:])
    clean = denoised.reshape(planes.shape).astype(np.float64)
    residual = planes.astype(np.float64) - clean
    known = np.isfinite(residual) & ~_saturated(planes)
    residual = np.where(known, residual, 0)
    clean = np.where(known, clean, np.median(clean[known]) if known.any() else 0)

    noise = estimate_noise(planes)
    level = gaussian_filter(clean, (0, SMOOTHING, SMOOTHING))
    intensities, variances = _variance_curve(level[known], residual[known])
    standard = np.zeros_like(residual)
    share = np.nan
    if noise is not None:
        variance = np.maximum(noise.variance(clean), _grain_variance(clean, residual))
        standard = np.where(known, residual / np.sqrt(variance), 0)
        share = float(np.median(variances / np.maximum(noise.variance(intensities), 1e-12)))
    autocorrelation = _autocorrelation(standard)
    nearby = autocorrelation[LAGS - NEAR : LAGS + NEAR + 1, LAGS - NEAR : LAGS + NEAR + 1].copy()
    nearby[NEAR, NEAR] = 0
    highest, lowest, spread = _blurred_extremes(standard, clean, known)
    removed, added = _places(highest), _places(-lowest)
    nearby_correlation = float(nearby.max())
    is_flagged, verdict = _judge(
        noise is not None, removed, added, nearby_correlation, spread, share
    )
    return TrustReport(
        verdict=verdict,
        is_flagged=is_flagged,
        removed=removed,
        added=added,
        residual=residual.astype(np.float32),
        autocorrelation=autocorrelation,
        nearby_correlation=nearby_correlation,
        spread=spread,
        intensities=intensities,
        variances=variances,
        noise=noise,
        noise_share=share,
        image_correlation=_correlation(residual[known], clean[known]),
        scores={} if reference is None else score(reference, noisy, denoised),
    )


def score(reference: np.ndarray, noisy: np.ndarray, denoised: np.ndarray) -> dict[str, float]:
    """Score a noisy and a denoised image against a reference.

    Returns
    -------
    dict
        PSNR in dB over the range of the reference, and SSIM, plain and after the least-squares
        fit of scale and offset, which tell how good an image is up to its brightness.
    """
    span = float(np.ptp(reference)) or 1.0
    scores = {}
    for name, image in (("noisy", noisy), ("denoised", denoised)):
        fitted = match_affine(reference, image)
        scores[f"PSNR {name}"] = psnr(reference, image, span)
        scores[f"SSIM {name}"] = ssim(reference, image, span)
        scores[f"scale-invariant PSNR {name}"] = psnr(reference, fitted, span)
        scores[f"scale-invariant SSIM {name}"] = ssim(reference, fitted, span)
    return scores


def _judge(
    has_noise: bool,
    removed: np.ndarray,
    added: np.ndarray,
    nearby_correlation: float,
    spread: float,
    noise_share: float,
) -> tuple[bool, str]:
    if not has_noise:
        return False, "The noisy image shows no noise, so there is nothing to compare with."
    if len(removed) or len(added):
        what = [
            f"{verb} at {len(places)} place{'s' if len(places) > 1 else ''}"
            for verb, places in (("removed", removed), ("added", added))
            if len(places)
        ]
        return True, f"Structure was {' and '.join(what)} (marked)."
    if spread > SPREAD_LIMIT or nearby_correlation > CORRELATION_LIMIT:
        return True, (
            "The residual is not white: structure was removed all over, or the noise itself is "
            "correlated between pixels."
        )
    if noise_share < LEAST_SHARE:
        return False, (
            f"Only {100 * noise_share:.0f} % of the noise was removed, and nothing else as far as "
            "can be seen."
        )
    return False, (
        "The residual is white and follows the noise model: nothing but noise was removed, as far "
        "as can be seen."
    )


def _saturated(planes: np.ndarray) -> np.ndarray:
    if planes.dtype.kind not in "ui":
        return np.zeros(planes.shape, bool)
    return planes == np.iinfo(planes.dtype).max


def _grain_variance(clean: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Noise variance at each pixel by the fine grain of the residual at places as bright.

    The line that is fitted to flat places of the noisy image cannot know it at rare bright ones.
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


def _variance_curve(level: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residual variance over the denoised value around, in bins of as many pixels each."""
    order = np.argsort(level)
    bins = _bins(order) if len(order) else []
    return (
        np.array([level[part].mean() for part in bins]),
        np.array([residual[part].var() for part in bins]),
    )


def _bins(order: np.ndarray) -> list[np.ndarray]:
    """Cut sorted pixels into bins of as many each, and the last of them ever finer."""
    cuts = [len(order) * i // VARIANCE_BINS for i in range(1, VARIANCE_BINS)]
    rest = len(order) // VARIANCE_BINS
    while (rest := rest // 2) >= FEWEST:
        cuts.append(len(order) - rest)
    return [part for part in np.split(order, cuts) if len(part) > 1]


def _autocorrelation(standard: np.ndarray) -> np.ndarray:
    """Normalised autocorrelation up to `LAGS`, mean over planes."""
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


def _blurred_extremes(
    standard: np.ndarray, clean: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Blur the residual at all scales; give its extremes in units of what noise would give.

    The unit is the spread at the dim places, where there is least structure, but at least that
    of white noise. So noise that is correlated between pixels raises no alarm by itself.
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
    """Blur planes so that white noise of variance 1 keeps that variance, at the border too."""
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


def _places(excess: np.ndarray) -> np.ndarray:
    """Positions of the peaks of connected regions above `SIGNIFICANT`, the highest first."""
    connected = np.zeros((3, 3, 3), bool)
    connected[1] = True
    labels, count = label(excess > SIGNIFICANT, connected)
    if not count:
        return np.empty((0, 3), int)
    peaks = np.array(maximum_position(excess, labels, np.arange(1, count + 1)), int)
    order = np.argsort(-excess[tuple(peaks.T)], kind="stable")
    return peaks[order][:MOST_PLACES]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.size < 2 or not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
