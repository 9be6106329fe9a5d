"""The verdict on a residual, in plain words."""

from dataclasses import dataclass

import numpy as np

SPREAD_LIMIT = 1.3
CORRELATION_LIMIT = 0.1
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
    spread, nearby_correlation, noise_fraction : float
        See `trust.TrustReport`.
    intensities, ratios : numpy.ndarray
        Values at which the noise was measured, in ascending order, and the variance of the residual
        divided by that of the noise at each, (M,).
    """

    n_removed: int
    n_added: int
    spread: float
    nearby_correlation: float
    noise_fraction: float
    intensities: np.ndarray
    ratios: np.ndarray

    @property
    def is_white(self) -> bool:
        """True if the residual is uncorrelated between pixels."""
        return self.spread <= SPREAD_LIMIT and self.nearby_correlation <= CORRELATION_LIMIT


def judge(findings: Findings) -> tuple[bool, str]:
    """Decide whether something other than noise was removed or added, and describe it.

    Returns
    -------
    is_flagged : bool
        True if something other than noise was removed or added.
    verdict : str
        One or two sentences.
    """
    places, excess, fraction = _say_places(findings), _say_excess(findings), findings.noise_fraction
    if places:
        return True, f"{places} {excess}".rstrip()
    if not findings.is_white:
        return True, (
            "The residual does not look like pure noise: structure was removed across the image, "
            f"or the noise itself is correlated between pixels. {excess}".rstrip()
        )
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


def _say_places(findings: Findings) -> str:
    counts = (("removed", findings.n_removed), ("added", findings.n_added))
    what = [f"{verb} at {n} place{'s' if n > 1 else ''}" for verb, n in counts if n]
    return f"Structure was {' and '.join(what)} (marked)." if what else ""


def _say_excess(findings: Findings) -> str:
    """Describe the values at which the residual varies more than the noise, if any.

    The noise of correlated pixels is underestimated, but equally at all values.
    """
    fraction = findings.noise_fraction
    if findings.is_white and fraction > MOST_FRACTION:
        return f"The residual has {_number(fraction)} times the variance of the noise."
    is_excess = findings.ratios > EXCESS_LIMIT * max(1.0, fraction)
    if not is_excess.any():
        return ""
    where, most = _where(findings.intensities, is_excess), findings.ratios[is_excess].max()
    return (
        f"At intensities {where}, the residual has up to {_number(most)} times the variance of "
        "the noise."
    )


def _where(intensities: np.ndarray, chosen: np.ndarray) -> str:
    """Describe the range of the chosen values, such as ``above 810``."""
    first, last = _number(intensities[chosen].min()), _number(intensities[chosen].max())
    if chosen[-1]:
        return f"above {first}"
    return f"below {last}" if chosen[0] else f"from {first} to {last}"


def _number(value: float) -> str:
    """Format a number with two significant digits, or with all digits of its integer part."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
