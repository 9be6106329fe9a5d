"""Estimation of the spatial correlation of noise, from noisy images alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import convolve

from napari_clip_denoise.noise.estimate import NoiseVariance, high_pass
from napari_clip_denoise.noise.periodic import without_periodic

BLOCK = 24
REACH = 4
FLATTEST = 0.15
FEWEST_BLOCKS = 8
MAX_CLIPPED = 0.02
LEAST_VARIANCE = 0.05
"""Noise variance of a block, relative to the median, below which its estimate is not trusted."""
NOTICEABLE = 0.1
SPECTRUM_SIDE = 32
MOST_SPREAD = 1.5
STRUCTURED_SPREAD = 2.0
WIDE = 0.7
"""Fall of the correlation from neighbours to diagonal neighbours; less if a point is as wide."""
MOST_WHITE = 3.0
"""White noise on top of blurred noise, relative to what the high-pass filter sees of the latter."""


@dataclass(frozen=True, eq=False)
class NoiseCorrelation:
    """Correlation of the noise of two pixels as a function of their displacement.

    Attributes
    ----------
    table : numpy.ndarray
        (2 `REACH` + 1, 2 `REACH` + 1), correlation at each displacement (dy, dx); 1 at the centre.
    seen_by_high_pass : float
        Fraction of the noise variance that `estimate_noise` measures; 1 for white noise.
    spread : float
        Ratio of the 90th to the 10th percentile of the variance of the flat regions: 1.1 to 1.3 if
        they hold nothing but noise, and more than `STRUCTURED_SPREAD` if structure dominates them.
    """

    table: np.ndarray
    seen_by_high_pass: float = 1.0
    spread: float = 1.0

    @classmethod
    def white(cls) -> "NoiseCorrelation":
        """Return the correlation of white noise, which is independent in every pixel."""
        table = np.zeros((2 * REACH + 1,) * 2)
        table[REACH, REACH] = 1
        return cls(table)

    @property
    def horizontal(self) -> float:
        """Correlation of horizontally adjacent pixels."""
        return float(self.table[REACH, REACH + 1])

    @property
    def vertical(self) -> float:
        """Correlation of vertically adjacent pixels."""
        return float(self.table[REACH + 1, REACH])

    @property
    def certainty(self) -> float:
        """How far it was measured in regions that hold nothing but noise, from 0 to 1.

        It falls from 1 at a `spread` of `MOST_SPREAD` to 0 at `STRUCTURED_SPREAD`. Dense small
        structures fill all regions alike, so their spread is small. But they are as wide as the
        image of a point, and the white noise on them has high frequencies, which noise of this
        width has not.
        """
        beside = (self.horizontal + self.vertical) / 2
        diagonal = float(self.table[REACH + 1, REACH + 1] + self.table[REACH + 1, REACH - 1]) / 2
        is_wide = beside >= NOTICEABLE and diagonal >= WIDE * beside
        if is_wide and self.seen_by_high_pass > MOST_WHITE * _seen_of_blurred(diagonal / beside):
            return 0.0
        excess = STRUCTURED_SPREAD - self.spread
        return float(np.clip(excess / (STRUCTURED_SPREAD - MOST_SPREAD), 0, 1))

    @property
    def is_of_noise(self) -> bool:
        """True if it was certainly measured in regions that hold nothing but noise."""
        return self.certainty == 1

    @property
    def extent(self) -> tuple[int, int]:
        """Range of noticeable correlation in pixels along (Y, X); (0, 0) if white."""
        return _reach(self.table[REACH + 1 :, REACH]), _reach(self.table[REACH, REACH + 1 :])

    @property
    def is_white(self) -> bool:
        """True if adjacent pixels have no noticeable correlation."""
        return self.extent == (0, 0)

    @property
    def wide(self) -> float:
        """Variance of the mean of many pixels over that of independent noise, as far as certain."""
        return 1 + self.certainty * max(0.0, float(self.table.sum()) - 1)

    def colour(self, white: np.ndarray) -> np.ndarray:
        """Filter white noise (..., Y, X) of variance 1 to have this correlation and variance 1."""
        if self.is_white:
            return white
        kernel = self._kernel.reshape((1,) * (white.ndim - 2) + self._kernel.shape)
        return convolve(white, kernel.astype(white.dtype), mode="wrap")

    @cached_property
    def _kernel(self) -> np.ndarray:
        """Symmetric filter whose autocorrelation is the table."""
        wide = np.zeros((SPECTRUM_SIDE,) * 2)
        side = len(self.table)
        wide[:side, :side] = self.table
        wide = np.roll(wide, (-REACH, -REACH), (0, 1))
        spectrum = np.clip(np.fft.fft2(wide).real, 0, None)
        kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(spectrum)).real)
        middle = slice(SPECTRUM_SIDE // 2 - REACH, SPECTRUM_SIDE // 2 + REACH + 1)
        kernel = kernel[middle, middle]
        return kernel / np.sqrt(np.square(kernel).sum())


def estimate_correlation(
    planes: Iterable[np.ndarray], noise: NoiseVariance | None = None
) -> NoiseCorrelation | None:
    """Estimate the correlation of the noise from the flattest regions of noisy planes.

    The blocks of 24 x 24 pixels with the least variance contain hardly any structure, so their
    residual after subtracting a linear slope is noise. Correlation at a distance of `REACH` pixels
    is attributed to structure and subtracted. Periodic structure is removed before.

    Parameters
    ----------
    planes : iterable of numpy.ndarray
        (Y, X) each. Blocks with non-finite or clipped values are ignored.
    noise : NoiseVariance, optional
        Variance of the noise as a function of the value, up to a factor. It is used if it makes the
        flat regions more alike. By default, the variance is the same everywhere, as after the
        Anscombe transform.

    Returns
    -------
    NoiseCorrelation or None
        None if there are too few flat blocks.
    """
    blocks = np.concatenate([np.zeros((0, BLOCK, BLOCK)), *(_blocks(plane) for plane in planes)])
    found = _correlation_of(blocks)
    if found is None or noise is None or noise.gain <= 0:
        return found
    stabilised = _correlation_of(_stabilised(blocks, noise))
    return found if stabilised is None or found.spread < stabilised.spread else stabilised


def _correlation_of(blocks: np.ndarray) -> NoiseCorrelation | None:
    """Measure the correlation in the flattest of some blocks; None if there are too few."""
    variance = blocks.var(axis=(1, 2))
    blocks, variance = blocks[variance > 0], variance[variance > 0]
    n_flat = max(FEWEST_BLOCKS, int(FLATTEST * len(blocks)))
    if len(blocks) < n_flat:
        return None
    flat = _without_slope(blocks[np.argsort(variance)[:n_flat]])
    table = np.empty((2 * REACH + 1,) * 2)
    for dy in range(REACH + 1):
        for dx in range(-REACH, REACH + 1):
            here = flat[:, : BLOCK - dy, max(0, -dx) : BLOCK - max(0, dx)]
            there = flat[:, dy:, max(0, dx) : BLOCK - max(0, -dx)]
            table[REACH + dy, REACH + dx] = table[REACH - dy, REACH - dx] = (here * there).mean()
    ring = np.ones(table.shape, bool)
    ring[1:-1, 1:-1] = False
    table -= max(0.0, table[ring].mean())
    if table[REACH, REACH] <= 0:
        return None
    seen = np.square(high_pass(flat)[:, 1:-1, 1:-1]).mean() / table[REACH, REACH]
    low, high = np.quantile(flat.var(axis=(1, 2)), (0.1, 0.9))
    return NoiseCorrelation(table / table[REACH, REACH], float(seen), float(high / max(low, 1e-30)))


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Cut a plane into blocks (N, `BLOCK`, `BLOCK`), without non-finite or clipped ones."""
    rows, columns = (side // BLOCK for side in plane.shape)

    def cut(values: np.ndarray) -> np.ndarray:
        whole = values[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
        return whole.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)

    blocks = cut(plane)
    if not blocks.size:
        return blocks
    finite = np.isfinite(blocks)
    ends = blocks[finite].min(initial=np.inf), blocks[finite].max(initial=-np.inf)
    clipped = np.isin(blocks, ends).mean(axis=(1, 2))
    return cut(without_periodic(plane))[finite.all(axis=(1, 2)) & (clipped <= MAX_CLIPPED)]


def _stabilised(blocks: np.ndarray, noise: NoiseVariance) -> np.ndarray:
    """Divide blocks by the deviation of the noise at their mean; drop those with too little."""
    variance = noise.variance(blocks.mean(axis=(1, 2)))
    known = variance > LEAST_VARIANCE * np.median(variance)
    return blocks[known] / np.sqrt(variance[known])[:, None, None]


def _seen_of_blurred(fall: float) -> float:
    """Return the fraction of Gaussian-blurred white noise that passes the high-pass filter.

    Its correlation at distance d is ``fall ** d**2``.
    """
    return ((6 - 8 * fall + 2 * fall**4) / 6) ** 2


def _without_slope(blocks: np.ndarray) -> np.ndarray:
    line = np.linspace(-1, 1, BLOCK)
    line /= np.sqrt(np.square(line).sum() * BLOCK)
    flat = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    for slope in (line[:, None] * np.ones(BLOCK), line * np.ones((BLOCK, 1))):
        flat = flat - (flat * slope).sum(axis=(1, 2), keepdims=True) * slope
    return flat


def _reach(correlations: np.ndarray) -> int:
    """Return the number of values before the first that is not noticeable."""
    below = np.flatnonzero(np.abs(correlations) < NOTICEABLE)
    return int(below[0]) if below.size else len(correlations)
