"""Check of a denoised image: everything that was removed should be noise, and only noise."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.metrics import match_affine, psnr, ssim
from napari_clip_denoise.evaluation.registration import register
from napari_clip_denoise.evaluation.trust.residual import (
    LAGS,
    autocorrelate,
    blurred_extremes,
    find_places,
    find_saturated,
    grain_variance,
    pearson,
    variance_curve,
)
from napari_clip_denoise.evaluation.trust.verdict import Findings, judge
from napari_clip_denoise.noise.estimate import SMOOTHING, NoiseEstimate, estimate_noise

NEAR = 3
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
        (N, Y, X), noisy minus denoised, float32.
    autocorrelation : numpy.ndarray
        (2 `LAGS` + 1, 2 `LAGS` + 1), autocorrelation of the residual in units of the noise; 1 in
        the middle, and 0 elsewhere if the residual is white.
    nearby_correlation : float
        Largest autocorrelation within `NEAR` pixels of the middle.
    spread : float
        Slow variation of the residual relative to that of white noise: robust standard deviation
        after a blur, the largest over all scales.
    intensities, variances : numpy.ndarray
        Denoised values, and the variance of the residual at each, (M,).
    noise : NoiseEstimate or None
        Noise measured in the noisy image alone; None if it has no noise.
    noise_fraction : float
        Variance of the residual divided by that of the noise.
    image_correlation : float
        Pearson correlation of the residual and the denoised image.
    scores : dict
        Scores by name, if there is a reference.
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
    noise_fraction: float
    image_correlation: float
    scores: dict[str, float] = field(default_factory=dict)


def check_result(
    noisy: np.ndarray, denoised: np.ndarray, reference: np.ndarray | None = None
) -> TrustReport:
    """Check whether only noise was removed from an image.

    With a perfect denoiser, the residual is the noise: white, with zero mean everywhere and the
    variance that flat areas of the noisy image show at the same value. The residual is therefore
    divided by the standard deviation of the noise and blurred at several scales. Values beyond the
    range of white noise show that structure was removed or added.

    Parameters
    ----------
    noisy, denoised : numpy.ndarray
        Noisy and denoised image of one channel, (Y, X) or (N, Y, X). Saturated pixels and those
        that are not finite are left out.
    reference : numpy.ndarray, optional
        The truth or a much less noisy image, same shape.

    Returns
    -------
    TrustReport
        Verdict and statistics of the residual.

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
    known = np.isfinite(residual) & ~find_saturated(planes)
    residual = np.where(known, residual, 0)
    clean = np.where(known, clean, np.median(clean[known]) if known.any() else 0)

    noise = estimate_noise(planes)
    variance = np.zeros_like(residual)
    standard = np.zeros_like(residual)
    if noise is not None:
        variance = np.maximum(noise.variance(clean), grain_variance(clean, residual))
        standard = np.where(known, residual / np.sqrt(variance), 0)
    level = gaussian_filter(clean, (0, SMOOTHING, SMOOTHING))
    intensities, variances, expected = variance_curve(
        *(each[known] for each in (level, clean, residual, variance))
    )
    autocorrelation = autocorrelate(standard)
    nearby = autocorrelation[LAGS - NEAR : LAGS + NEAR + 1, LAGS - NEAR : LAGS + NEAR + 1].copy()
    nearby[NEAR, NEAR] = 0
    highest, lowest, spread = blurred_extremes(standard, clean, known)
    removed, added = find_places(highest), find_places(-lowest)
    nearby_correlation = float(nearby.max())
    fraction, is_flagged, verdict = np.nan, False, NO_NOISE
    if noise is not None:
        fraction = float(np.median(variances / np.maximum(noise.variance(intensities), 1e-12)))
        measured = intensities <= max(noise.values.max(), intensities.min())
        findings = Findings(
            n_removed=len(removed),
            n_added=len(added),
            spread=spread,
            nearby_correlation=nearby_correlation,
            noise_fraction=fraction,
            intensities=intensities[measured],
            ratios=variances[measured] / np.maximum(expected[measured], 1e-12),
        )
        is_flagged, verdict = judge(findings)
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
        noise_fraction=fraction,
        image_correlation=pearson(residual[known], clean[known]),
        scores={} if reference is None else score(reference, noisy, denoised),
    )


def score(reference: np.ndarray, noisy: np.ndarray, denoised: np.ndarray) -> dict[str, float]:
    """Score a noisy and a denoised image against a reference.

    Parameters
    ----------
    reference, noisy, denoised : numpy.ndarray
        Images of one channel, (Y, X) or (N, Y, X), of the same shape.

    Returns
    -------
    dict
        PSNR in dB over the range of the reference, and SSIM; both also after a least-squares fit of
        scale and offset, which ignores differences in brightness; and PSNR after `register`, which
        shows the loss caused by drift between the images.
    """
    span = float(np.ptp(reference)) or 1.0
    scores = {}
    for name, image in (("noisy", noisy), ("denoised", denoised)):
        fitted = match_affine(reference, image)
        scores[f"PSNR {name}"] = psnr(reference, image, span)
        scores[f"SSIM {name}"] = ssim(reference, image, span)
        scores[f"scale-invariant PSNR {name}"] = psnr(reference, fitted, span)
        scores[f"scale-invariant SSIM {name}"] = ssim(reference, fitted, span)
        scores[f"registered PSNR {name}"] = psnr(*register(reference, image), span)
    return scores
