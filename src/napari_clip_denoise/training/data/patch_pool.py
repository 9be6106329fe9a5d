"""Drawing of patches for training, separate from those held out for validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.training.data.patches import PatchSource


@dataclass(frozen=True)
class Patches:
    """A batch of patches.

    Attributes
    ----------
    first, second : numpy.ndarray
        Patches and their counterparts, (N, C, Y, X), float32.
    level : numpy.ndarray or None
        Noise level of the first ones, (N, 1, Y, X), float32, NaN where unknown; None for networks
        that are not told.
    """

    first: np.ndarray
    second: np.ndarray
    level: np.ndarray | None = None


class PatchPool:
    """Pool of patches from several sources, in which held-out areas never overlap training areas.

    A band of rows as high as a patch is held out from each plane. If the planes are less than twice
    as high as a patch, every eighth plane is held out instead.

    Parameters
    ----------
    sources : sequence of PatchSource
        Images that patches are drawn from.
    patch : int
        Side of a patch in pixels.
    samples : {1, 3}
        See `PatchSource.read`.
    seed : int
        Seed; the same seed gives the same patches.
    told : bool
        Whether the noise level of the patches is read as well.

    Raises
    ------
    InputError
        If the images are too small or contain almost no finite values.
    """

    LEAST_PIXELS = 128**2
    EVERY = 8
    TRIES = 40
    EMPTY = 0.2
    KEPT_EMPTY = 0.15
    SURVEYED = 64

    def __init__(
        self,
        sources: list[PatchSource],
        patch: int,
        samples: int,
        seed: int,
        *,
        told: bool = False,
    ):
        self.sources = sources
        self.patch = patch
        self.samples = samples
        self.seed = seed
        self.told = told
        smallest = min(min(source.stack.plane_shape) for source in sources)
        if smallest < patch:
            raise InputError(
                f"An image has a side of {smallest} pixels, less than a patch of {patch}; give "
                "larger images or a smaller patch."
            )
        areas = np.array([np.prod(source.stack.plane_shape, dtype=float) for source in sources])
        n_planes = [source.n_planes for source in sources]
        self._bands = [self._band(number) for number in range(len(sources))]
        self._first_held_out = [-before % self.EVERY for before in np.cumsum([0, *n_planes])[:-1]]
        held_out = [self._n_held_out(number) for number in range(len(sources))]
        trained_on = [
            n if band is not None else n - held
            for n, band, held in zip(n_planes, self._bands, held_out, strict=True)
        ]
        in_planes = sum(n for n, band in zip(n_planes, self._bands, strict=True) if band is None)
        is_short = None in self._bands and in_planes < self.EVERY
        if (areas * n_planes).sum() < self.LEAST_PIXELS or is_short:
            raise InputError(
                f"The images hold {(areas * n_planes).sum():.0f} pixels in planes of "
                f"{' x '.join(map(str, sources[0].stack.plane_shape))}, too few to learn from one "
                f"part and validate on another; give images of at least {2 * patch} pixels a side, "
                f"or at least {self.EVERY} of them."
            )
        self._weights = {
            is_held_out: areas * counts / (areas * counts).sum()
            for is_held_out, counts in ((True, held_out), (False, trained_on))
        }
        self._empty_below = 0.0
        self._empty_below = self._survey()

    def batch(
        self, step: int, numbers: range, *, allow_rot90: bool
    ) -> tuple[Patches, np.random.Generator]:
        """Draw the patches of a training step.

        Parameters
        ----------
        step : int
            Number of the step.
        numbers : range
            Numbers of the patches within the batch.
        allow_rot90 : bool
            Whether to rotate patches by 90 degrees in addition to flipping them.

        Returns
        -------
        patches : Patches
            The batch.
        rng : numpy.random.Generator
            Generator for everything else that this step draws.
        """
        pairs = []
        for number in numbers:
            rng = np.random.default_rng([self.seed, 2, step, number])
            pairs.append(_rotated(self._draw(rng, held_out=False)[1], rng, allow_rot90=allow_rot90))
        return self._stacked(pairs), np.random.default_rng([self.seed, 3, step, numbers.start])

    def held_out(self, count: int) -> tuple[Patches, list[int]]:
        """Draw the held-out patches, and return them with the number of each one's source."""
        rng = np.random.default_rng([self.seed, 4])
        drawn = [self._draw(rng, held_out=True) for _ in range(count)]
        return self._stacked([pair for _, pair in drawn]), [number for number, _ in drawn]

    def _stacked(self, drawn: Sequence[Sequence[np.ndarray]]) -> Patches:
        parts = (np.ascontiguousarray(np.stack(part)) for part in zip(*drawn, strict=True))
        first, second, level = parts
        return Patches(first, second, level if self.told else None)

    def _draw(
        self, rng: np.random.Generator, *, held_out: bool
    ) -> tuple[int, tuple[np.ndarray, ...]]:
        """Draw a patch, and redraw it if it contains NaN or, in most cases, if it is empty."""
        found = None
        for attempt in range(self.TRIES):
            number = int(rng.choice(len(self.sources), p=self._weights[held_out]))
            window, plane = self._place(number, rng, held_out=held_out)
            pair = self.sources[number].read_told(plane, window, self.samples, rng)
            if not all(np.isfinite(side).all() for side in pair[:2]):
                continue
            found = number, pair
            is_empty = _activity(pair[0]) < self._empty_below
            if not is_empty or attempt >= self.TRIES // 4 or rng.random() < self.KEPT_EMPTY:
                break
        if found is None:
            raise InputError(
                "Hardly a patch of the images has finite values only; fill the NaN first."
            )
        return found

    def _place(
        self, number: int, rng: np.random.Generator, *, held_out: bool
    ) -> tuple[tuple[slice, slice], int]:
        height, width = self.sources[number].stack.plane_shape
        plane = self._plane(number, rng, held_out=held_out)
        x = int(rng.integers(width - self.patch + 1))
        if (band := self._bands[number]) is None:
            y = int(rng.integers(height - self.patch + 1))
        elif held_out:
            y = band
        else:
            above = max(0, band - self.patch + 1)
            below = max(0, height - band - 2 * self.patch + 1)
            y = int(rng.integers(above + below))
            y = y if y < above else y - above + band + self.patch
        return (slice(y, y + self.patch), slice(x, x + self.patch)), plane

    def _plane(self, number: int, rng: np.random.Generator, *, held_out: bool) -> int:
        n_planes, first = self.sources[number].n_planes, self._first_held_out[number]
        if self._bands[number] is not None:
            return int(rng.integers(n_planes))
        if held_out:
            return first + self.EVERY * int(rng.integers(self._n_held_out(number)))
        plane = first
        while plane % self.EVERY == first:
            plane = int(rng.integers(n_planes))
        return plane

    def _n_held_out(self, number: int) -> int:
        """Return the number of planes that held-out patches may come from."""
        n_planes = self.sources[number].n_planes
        if self._bands[number] is not None:
            return n_planes
        return len(range(self._first_held_out[number], n_planes, self.EVERY))

    def _band(self, number: int) -> int | None:
        """Return the first row of the held-out band, or None if whole planes are held out."""
        n_bands = self.sources[number].stack.plane_shape[0] // self.patch
        if n_bands < 2:
            return None
        return self.patch * int(np.random.default_rng([self.seed, 5, number]).integers(n_bands))

    def _survey(self) -> float:
        """Determine the activity below which a patch counts as empty."""
        rng = np.random.default_rng([self.seed, 6])
        drawn = (self._draw(rng, held_out=False)[1][0] for _ in range(self.SURVEYED))
        return self.EMPTY * float(np.quantile([_activity(patch) for patch in drawn], 0.9))


def _rotated(
    pair: tuple[np.ndarray, ...], rng: np.random.Generator, *, allow_rot90: bool
) -> list[np.ndarray]:
    quarters = int(rng.integers(4)) if allow_rot90 else 2 * int(rng.integers(2))
    flip = rng.random() < 0.5
    rotated = [np.rot90(side, quarters, (-2, -1)) for side in pair]
    return [side[..., ::-1] for side in rotated] if flip else rotated


def _activity(patch: np.ndarray) -> float:
    """Return the variation of the local mean within a patch."""
    side = patch.shape[-1] // 8
    means = patch[0, : 8 * side, : 8 * side].reshape(side, 8, side, 8).mean(axis=(1, 3))
    return float(means.std())
