"""Check of a denoised image: everything that was removed should be noise, and only noise."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.noise.correlation import NoiseCorrelation
from napari_clip_denoise.noise.estimate import (
    NoiseEstimate,
    NoiseVariance,
    estimate_noise,
    high_pass,
)
from napari_clip_denoise.residual.neighbours import measure_leak
from napari_clip_denoise.residual.statistics import (
    ROUNDING,
    Residual,
    autocorrelate,
    noise_variance,
    pearson,
    sort_by_brightness,
)
from napari_clip_denoise.residual.structure import (
    LEAST_SEEN,
    excess_correlation,
    find_structure,
    measure_correlation,
    shifted_mean,
    standardise,
)
from napari_clip_denoise.residual.verdict import Findings, judge

NO_NOISE = "No noise was found in the noisy image, so there is nothing to check."


@dataclass(frozen=True, eq=False)
class TrustReport:
    """Verdict on a denoised image, and the statistics of its residual (noisy minus denoised).

    Attributes
    ----------
    verdict : str
        Verdict in plain words.
    is_flagged : bool
        True if something other than noise was removed or added.
    removed, added : numpy.ndarray
        (N, 3), plane, y and x of places where light was removed or added to an extent that noise
        cannot explain, the clearest first.
    residual : numpy.ndarray
        (N, Y, X), noisy minus denoised.
    autocorrelation : numpy.ndarray
        (2 `LAGS` + 1, 2 `LAGS` + 1), autocorrelation of the residual in units of the noise; 1 in
        the middle, and 0 elsewhere if the residual is white.
    findings : Findings or None
        What the verdict is based on; None if the noisy image has no noise.
    intensities, variances : numpy.ndarray
        Denoised values, and the variance of the residual at each, (M,).
    noise : NoiseEstimate or None
        Noise measured in the noisy image alone; None if it has no noise.
    image_correlation : float
        Pearson correlation of the residual and the denoised image.
    """

    verdict: str
    is_flagged: bool
    removed: np.ndarray
    added: np.ndarray
    residual: np.ndarray
    autocorrelation: np.ndarray
    findings: Findings | None
    intensities: np.ndarray
    variances: np.ndarray
    noise: NoiseEstimate | None
    image_correlation: float

    @property
    def noise_fraction(self) -> float:
        """Variance of the residual divided by that of the noise; NaN if there is no noise."""
        return np.nan if self.findings is None else self.findings.noise_fraction


def check_result(
    noisy: np.ndarray,
    denoised: np.ndarray,
    beside: np.ndarray | None = None,
    measured: NoiseVariance | None = None,
) -> TrustReport:
    """Check whether only noise was removed from an image.

    With a perfect denoiser, the residual is the noise: its mean is zero everywhere, its variance
    and its correlation are those that flat areas of the noisy image show. The residual is therefore
    divided by the standard deviation of the noise and averaged at several scales. Values beyond the
    range of noise show that structure was removed or added.

    Parameters
    ----------
    noisy, denoised : numpy.ndarray
        Noisy and denoised image of one channel, (Y, X) or (N, Y, X). Saturated pixels and those
        that are not finite are left out.
    beside : numpy.ndarray, optional
        Mean of the noisy planes before and after each plane, of the same shape; NaN where there are
        none. Whether their structure shows through is checked as well. With one more axis in front,
        several such means, such as of planes as they are and moved; the worst counts.
    measured : NoiseVariance, optional
        Variance of the noise, measured on more planes than these, also of noise that neighbouring
        pixels share. It counts where these planes are too full of structure to measure that.

    Returns
    -------
    TrustReport
        Verdict and statistics of the residual.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if noisy.shape != denoised.shape:
        shapes = sorted({noisy.shape, denoised.shape})
        raise InputError(
            f"The images differ in size ({' and '.join(' x '.join(map(str, s)) for s in shapes)}); "
            "choose a result and the image it was made from."
        )
    planes = noisy.reshape(-1, *noisy.shape[-2:])
    residual = Residual.of(planes, denoised.reshape(planes.shape))
    noise = estimate_noise(planes)
    bins = sort_by_brightness(residual)
    clean, values = residual.clean.ravel(), residual.values.ravel()
    intensities = np.array([clean[part].mean() for part in bins])
    variances = np.array([values[part].var() for part in bins])
    removed = added = np.empty((0, 3), int)
    autocorrelation = autocorrelate(residual.values * 0)
    findings, is_flagged, verdict = None, False, NO_NOISE
    if noise is not None:
        variance = noise_variance(residual, noise, bins)
        standard = standardise(residual, variance)
        correlation = measure_correlation(residual, noise)
        autocorrelation = autocorrelate(standard)
        removed, added, spread = find_structure(residual, standard, variance, correlation)
        nearby, far = excess_correlation(autocorrelation, correlation)
        seen = _seen(correlation, standard, _visible(noise, measured, residual))
        expected = np.array([variance.ravel()[part].mean() for part in bins]) / seen
        within = intensities <= max(noise.values.max(), intensities.min(initial=np.inf))
        findings = Findings(
            n_removed=len(removed),
            n_added=len(added),
            spread=spread,
            nearby_correlation=nearby,
            far_correlation=far,
            shift=shifted_mean(residual, standard, variance),
            noise_fraction=_noise_fraction(residual, noise, seen, intensities, variances),
            intensities=intensities[within],
            ratios=variances[within] / expected[within],
            leak=None if beside is None else _worst_leak(residual, variance, beside),
        )
        is_flagged, verdict = judge(findings)
    known = residual.known
    return TrustReport(
        verdict=verdict,
        is_flagged=is_flagged,
        removed=removed,
        added=added,
        residual=residual.values,
        autocorrelation=autocorrelation,
        findings=findings,
        intensities=intensities,
        variances=variances,
        noise=noise,
        image_correlation=pearson(residual.values[known], residual.clean[known]),
    )


def _worst_leak(residual: Residual, variance: np.ndarray, beside: np.ndarray) -> float:
    each = beside.reshape(-1, *residual.noisy.shape)
    return max(measure_leak(residual, variance, planes) for planes in each)


def _noise_fraction(
    residual: Residual,
    noise: NoiseEstimate,
    seen: float,
    intensities: np.ndarray,
    variances: np.ndarray,
) -> float:
    """Return the variance of the residual divided by that of the noise, at its median."""
    if not len(intensities):
        return np.nan
    lowest = max(float(noise.variances.min()), ROUNDING * residual.step**2, 1e-12)
    of_noise = np.maximum(noise.variance(intensities), lowest) / seen
    return float(np.median(variances / of_noise))


def _seen(correlation: NoiseCorrelation | None, standard: np.ndarray, otherwise: float) -> float:
    """Return the fraction of the noise variance that its grain shows.

    Structure in the flattest parts of an image lowers it; a residual without structure shows that.
    """
    if correlation is None or not correlation.is_of_noise:
        return otherwise
    power = float(np.square(standard).mean())
    own = float(np.square(high_pass(standard)).mean()) / power if power else 1.0
    return float(np.clip(max(correlation.seen_by_high_pass, own), LEAST_SEEN, 1))


def _visible(noise: NoiseEstimate, measured: NoiseVariance | None, residual: Residual) -> float:
    """Return the fraction of the variance measured on more planes that these planes show."""
    if measured is None or not residual.known.any():
        return 1.0
    typical = np.median(residual.clean[residual.known])
    of_all = float(measured.variance(typical))
    return float(np.clip(noise.variance(typical) / of_all, LEAST_SEEN, 1)) if of_all > 0 else 1.0
