"""The verdict on a residual, in plain words."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.formatting import counted

SPREAD_LIMIT = 1.3
NEARBY_LIMIT = 0.08
FAR_LIMIT = 0.12
LEAST_FRACTION, MOST_FRACTION = 0.6, 2.0
EXCESS_LIMIT = 2.0
"""Ratio of residual to noise variance above which more than noise must have been removed."""
DEFICIT_LIMIT = 0.4
DEFICIT_BINS = 4
"""Number of bins below `DEFICIT_LIMIT`, an eighth of the pixels, that a verdict mentions."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Statistics on which a verdict is based.

    Attributes
    ----------
    n_removed, n_added : int
        Number of places where light was removed or added to an extent that noise cannot explain.
    spread : float
        Slow variation of the residual relative to that of the noise: robust standard deviation of
        its averages, the largest over all scales.
    nearby_correlation, far_correlation : float
        Correlation of the residual beyond that of the noise: nearby, and further apart than that of
        any noise.
    shift : float
        Fraction of the light that is missing where the image is flat; negative if there is more.
    noise_fraction : float
        Variance of the residual divided by that of the noise.
    intensities, ratios : numpy.ndarray
        Values at which the noise was measured, in ascending order, and the variance of the residual
        divided by that of the noise at each, (M,).
    leak : float or None
        Fraction of the difference from the planes before and after that was mixed in; None if it
        was not looked at.
    """

    n_removed: int
    n_added: int
    spread: float
    nearby_correlation: float
    far_correlation: float
    shift: float
    noise_fraction: float
    intensities: np.ndarray
    ratios: np.ndarray
    leak: float | None = None

    @property
    def is_like_noise(self) -> bool:
        """True if the residual is correlated between pixels no more than the noise."""
        return (
            self.spread <= SPREAD_LIMIT
            and self.nearby_correlation <= NEARBY_LIMIT
            and self.far_correlation <= FAR_LIMIT
        )


def judge(findings: Findings) -> tuple[bool, str]:
    """Decide whether something other than noise was removed or added, and describe it.

    Returns
    -------
    is_flagged : bool
        True if something other than noise was removed or added.
    verdict : str
        One or two sentences.
    """
    leak, excess, fraction = say_leak(findings), _say_excess(findings), findings.noise_fraction
    if findings.n_removed or findings.n_added:
        places = say_places(findings.n_removed, findings.n_added)
        return True, " ".join(filter(None, (f"{places.capitalize()} (marked).", leak, excess)))
    if leak:
        return True, f"{leak} {excess}".rstrip()
    if not findings.is_like_noise:
        return True, (
            f"The residual does not look like pure noise: {say_rest(findings)}. {excess}".rstrip()
        )
    if findings.shift:
        shift = say_rest(findings)
        return True, f"{shift[0].upper()}{shift[1:]}. {excess}".rstrip()
    if excess:
        return True, f"Some signal was removed too, though no single place stands out. {excess}"
    if fraction < LEAST_FRACTION:
        return False, (
            f"Only {100 * fraction:.0f} % of the noise was removed; as far as can be seen, no "
            "signal was."
        )
    deficit = findings.ratios < DEFICIT_LIMIT
    if np.count_nonzero(deficit) >= DEFICIT_BINS:
        where, least = _where(findings.intensities, deficit), np.median(findings.ratios[deficit])
        return False, (
            "As far as can be seen, only noise was removed, but not all of it: at intensities "
            f"{where}, only {100 * least:.0f} %."
        )
    return False, (
        f"The residual looks like pure noise and has {100 * fraction:.0f} % of its variance: as "
        "far as can be seen, only noise was removed."
    )


def say_places(n_removed: int, n_added: int) -> str:
    """Say at how many places structure was removed and added."""
    counts = (("removed", n_removed), ("added", n_added))
    what = [f"{verb} at {counted(n, 'place')}" for verb, n in counts if n]
    return f"structure was {' and '.join(what)}"


def say_leak(findings: Findings) -> str:
    """Say how far neighbouring planes show through; empty if they do not."""
    if not findings.leak:
        return ""
    return (
        "The planes before and after show through: where they differ, "
        f"{100 * findings.leak:.0f} % of the difference was mixed in."
    )


def say_rest(findings: Findings) -> str:
    """Say what is wrong with a flagged result where no single place stands out."""
    if not findings.is_like_noise:
        return "structure was removed across the image"
    if findings.shift:
        verb = "removed" if findings.shift > 0 else "added"
        return f"where the image is flat, {100 * abs(findings.shift):.0f} % of the light was {verb}"
    return "some signal was removed"


def _say_excess(findings: Findings) -> str:
    """Describe the values at which the residual varies more than the noise, if any.

    The noise of correlated pixels is underestimated, but equally at all values.
    """
    fraction = findings.noise_fraction
    if findings.is_like_noise and fraction > MOST_FRACTION:
        return f"The residual has {_number(fraction)} times the variance of the noise."
    is_excess = _lasting(findings.ratios > EXCESS_LIMIT * max(1.0, fraction))
    if not is_excess.any():
        return ""
    where, most = _where(findings.intensities, is_excess), findings.ratios[is_excess].max()
    return (
        f"At intensities {where}, the residual has up to {_number(most)} times the variance of "
        "the noise."
    )


def _lasting(chosen: np.ndarray) -> np.ndarray:
    """Leave out single bins, which vary where noise is correlated, but for the brightest."""
    beside = np.zeros_like(chosen)
    beside[1:] |= chosen[:-1]
    beside[:-1] |= chosen[1:]
    beside[-1:] = True
    return chosen & beside


def _where(intensities: np.ndarray, chosen: np.ndarray) -> str:
    """Describe the range of the chosen values, such as ``above 810``."""
    first, last = _number(intensities[chosen].min()), _number(intensities[chosen].max())
    if chosen[-1]:
        return f"above {first}"
    return f"below {last}" if chosen[0] else f"from {first} to {last}"


def _number(value: float) -> str:
    """Format a number with two significant digits, or with all digits of its integer part."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
