"""Check whether two images show the same field, and relate their intensities."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, laplace
from scipy.ndimage import shift as shift_image
from skimage.registration import phase_cross_correlation

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.sampling import sample_positions
from napari_clip_denoise.images.stack import Stack

MAX_PLANES = 4
WINDOW_SIDE = 512
SMOOTHING = 2.0
LEAST_LIKENESS = 0.3
LARGEST_SHIFT = 1.0
SAME_SCALE = 0.05


@dataclass(frozen=True)
class Line:
    """Linear change of intensities, ``slope * value + shift``."""

    slope: float = 1.0
    shift: float = 0.0

    @property
    def is_identity(self) -> bool:
        """True if values are left unchanged."""
        return (self.slope, self.shift) == (1.0, 0.0)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Apply the change to values."""
        return values if self.is_identity else self.slope * values + self.shift


IDENTITY = Line()


def check_pair(noisy: Stack, other: Stack, *, clean: bool) -> Line:
    """Check a registered pair, and fit the line from the other's scale to that of the noisy image.

    Parameters
    ----------
    noisy, other : Stack
        Stacks of the same shape.
    clean : bool
        Whether `other` is free of noise. If not, it is a repeat, and nothing is fitted.

    Returns
    -------
    Line
        Least-squares fit of the noisy values by the clean ones; the identity if both are already
        on the same scale.

    Raises
    ------
    InputError
        If the images are shifted against each other or show different fields, or if the clean
        image is the noisier one.
    """
    first, second = (list(_sample(stack)) for stack in (noisy, other))
    names = f"'{noisy.name}' and '{other.name}'"
    values = [np.concatenate([plane.ravel() for plane in planes]) for planes in (first, second)]
    known = np.isfinite(values[0]) & np.isfinite(values[1])
    if not known.any() or min(np.ptp(side[known]) for side in values) == 0:
        raise InputError(f"{names} are constant or have no finite value; give other images.")
    moved = max((_shift(a, b) for a, b in zip(first, second, strict=True)), key=np.linalg.norm)
    if np.linalg.norm(moved) >= LARGEST_SHIFT:
        down, across = (round(float(length)) for length in moved)
        raise InputError(
            f"{names} are shifted against each other by about ({down}, {across}) pixels (y, x); "
            "register them first."
        )
    if np.median([_likeness(a, b) for a, b in zip(first, second, strict=True)]) < LEAST_LIKENESS:
        raise InputError(f"{names} do not show the same field; give images that belong together.")
    if not clean:
        return IDENTITY
    if np.median([_graininess(plane) for plane in second]) > np.median(
        [_graininess(plane) for plane in first]
    ):
        raise InputError(
            f"'{other.name}' is given as clean but is noisier than '{noisy.name}'; "
            "are the two swapped?"
        )
    slope, shift = np.polyfit(values[1][known], values[0][known], 1)
    span = np.ptp(np.percentile(values[1][known], (1, 99))) or 1.0
    middle = np.median(values[1][known])
    if abs(slope - 1) < SAME_SCALE and abs((slope - 1) * middle + shift) < SAME_SCALE * span:
        return IDENTITY
    return Line(float(slope), float(shift))


def _sample(stack: Stack) -> Iterator[np.ndarray]:
    """Yield the centres of a few planes as float64; RGB samples are averaged."""
    middle = [slice(max(0, (n - WINDOW_SIDE) // 2), (n + WINDOW_SIDE) // 2)
              for n in stack.plane_shape]  # fmt: skip
    for position in sample_positions(stack.leading_shape, MAX_PLANES):
        plane = stack.read_plane(position, (middle[0], middle[1])).astype(np.float64)
        yield plane.mean(axis=-1) if stack.is_rgb else plane


def _smooth(plane: np.ndarray) -> np.ndarray:
    level = np.nanmedian(np.where(np.isfinite(plane), plane, np.nan))
    smooth = gaussian_filter(np.where(np.isfinite(plane), plane, level), SMOOTHING)
    return smooth - smooth.mean()


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    a, b = _smooth(first), _smooth(second)
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / length) if length else 0.0


def _shift(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the shift (y, x) of the second plane from the first if undoing it helps, else 0."""
    a, b = _smooth(first), _smooth(second)
    found, _, _ = phase_cross_correlation(a, b, normalization=None, upsample_factor=4)
    if np.linalg.norm(found) < LARGEST_SHIFT:
        return np.zeros(2)
    inner = tuple(slice(1 + n // 16, n - n // 16 - 1) for n in a.shape)
    moved = shift_image(b, found, order=1, mode="nearest")
    before, after = (np.square(a - side * _gain(a, side)) for side in (b, moved))
    helps = after[inner].mean() < 0.9 * before[inner].mean() and _likeness(a, moved) > 0.5
    return -np.asarray(found) if helps else np.zeros(2)


def _gain(target: np.ndarray, image: np.ndarray) -> float:
    return float((target * image).sum() / max(np.square(image).sum(), 1e-12))


def _graininess(plane: np.ndarray) -> float:
    """Return the noise of a plane relative to its contrast."""
    filled = np.where(np.isfinite(plane), plane, np.nanmedian(plane))
    return float(np.median(np.abs(laplace(filled))) / max(float(_smooth(plane).std()), 1e-12))
