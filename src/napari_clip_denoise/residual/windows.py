"""Windows of a run that are worth checking, chosen while its regions pass by."""

import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt, prod

import numpy as np

from napari_clip_denoise.images.regions import Region, count, number
from napari_clip_denoise.images.sampling import evenly
from napari_clip_denoise.images.stack import Stack

MOST_WINDOWS = 5
SIDE = 256
LEAST_SIDE = 64
BLOCK = 8
PIXELS_PER_CHECKED = {"cpu": 32}
"""Number of denoised pixels for each one checked, by type of device.

The time that follows is in docs/research/trust-calibration.md; only that of a CPU was measured.
"""
PIXELS_PER_CHECKED_ELSEWHERE = 1000
MOST_SCANNED = 2**33
"""Pixels among which windows are searched; of larger results, evenly spaced regions are."""
FLOOR = 0.1


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a plane, before and after denoising.

    Attributes
    ----------
    region : tuple of slice
        Where it lies in the source.
    rank : float
        The higher, the more it is worth checking.
    noisy, denoised : numpy.ndarray
        (Y, X); of RGB, the mean of the colours.
    """

    region: Region
    rank: float
    noisy: np.ndarray
    denoised: np.ndarray

    @property
    def start(self) -> tuple[int, ...]:
        """Position of the first pixel."""
        return tuple(part.start for part in self.region)


class WindowChoice:
    """Choice of up to `MOST_WINDOWS` windows, those that were changed most and some at random.

    The choice depends on the pixels alone, neither on the order of the regions nor on the time, so
    that a resumed or divided run ends with the same verdict. All windows have the same size. The
    windows are as many and as large as can be checked in 5 % of the time of the run.

    Parameters
    ----------
    stack : Stack
        The source.
    part : tuple of slice
        The part of it that is denoised.
    region_shape : tuple of int
        Shape of the regions that pass by.
    device : str
        Type of the device that denoises, such as ``"cpu"``.
    """

    def __init__(self, stack: Stack, part: Region, region_shape: tuple[int, ...], device: str):
        self._stack = stack
        self._n_leading = n_leading = len(stack.leading_shape)
        self._region_shape = region_shape
        sizes = [piece.stop - piece.start for piece in part[: n_leading + 2]]
        plane = sizes[n_leading:]
        n_pixels = prod(sizes)
        room = n_pixels // PIXELS_PER_CHECKED.get(device, PIXELS_PER_CHECKED_ELSEWHERE)
        side = SIDE if room >= SIDE**2 else max(LEAST_SIDE, isqrt(room) // BLOCK * BLOCK)
        self.shape = min(side, plane[0]), min(side, plane[1])
        self.most = int(np.clip(room // prod(self.shape), 1, MOST_WINDOWS))
        self._per_plane = -(-self.most // prod(sizes[:n_leading]))
        n_regions = count(stack.shape, region_shape)
        n_scanned = max(1, int(n_regions * min(1.0, MOST_SCANNED / n_pixels)))
        self._scanned = None
        if n_scanned < n_regions:
            self._scanned = set(evenly(n_regions, n_scanned).tolist())
        self._seen: set[tuple[tuple[int, int], ...]] = set()
        self._changed: list[Window] = []
        self._drawn: list[Window] = []
        self._guard = threading.Lock()

    def wants(self, region: Region) -> bool:
        """Return whether a region is to be seen and was not yet."""
        if _key(region) in self._seen:
            return False
        if self._scanned is None:
            return True
        return number(region, self._stack.shape, self._region_shape) in self._scanned

    def see(self, region: Region, noisy: np.ndarray, denoised: np.ndarray) -> None:
        """Look at a finished region; the arrays may be reused afterwards.

        Parameters
        ----------
        region : tuple of slice
            The region.
        noisy, denoised : numpy.ndarray
            Its pixels before and after, in the shape of the region.
        """
        if not self.wants(region):
            return
        n_leading = self._n_leading
        before, after = (
            np.reshape(each, (-1, *each.shape[n_leading:])) for each in (noisy, denoised)
        )
        if self._stack.is_rgb:
            before, after = (
                each[..., :3].mean(axis=-1, dtype=np.float32) for each in (before, after)
            )
        self._see_planes(region, before, after)
        with self._guard:
            self._seen.add(_key(region))

    def windows(self) -> list[Window]:
        """Return the chosen windows in the order of their positions."""
        n_drawn = self.most // 2
        chosen = {window.start: window for window in self._changed[: self.most - n_drawn]}
        for window in self._drawn:
            if len(chosen) < self.most:
                chosen.setdefault(window.start, window)
        return [chosen[start] for start in sorted(chosen)]

    def _see_planes(self, region: Region, before: np.ndarray, after: np.ndarray) -> None:
        """Offer the windows of the planes of a region, (N, Y, X)."""
        height, width = self.shape
        if before.shape[1] < height or before.shape[2] < width:
            return
        leading = region[: self._n_leading]
        sizes = [part.stop - part.start for part in leading]
        planes = [
            tuple(part.start + i for part, i in zip(leading, position, strict=True))
            for position in np.ndindex(*sizes)
        ]
        first_y, first_x = (part.start for part in region[self._n_leading :][:2])
        change = _change(before, after)
        for y in _starts(before.shape[1], height):
            for x in _starts(before.shape[2], width):
                part = slice(y, y + height), slice(x, x + width)
                ranks = change[:, _blocks(part[0]), _blocks(part[1])].max(axis=(1, 2), initial=0)
                places = [(*plane, first_y + y, first_x + x) for plane in planes]
                draws = np.array([zlib.crc32(repr(place).encode()) for place in places])
                for chosen, each in ((self._changed, ranks), (self._drawn, draws)):
                    for index in np.argsort(-each.astype(float), kind="stable")[: self.most]:
                        pixels = before[index, *part], after[index, *part]
                        self._offer(chosen, self._region_at(places[index]), each[index], pixels)

    def _region_at(self, place: tuple[int, ...]) -> Region:
        sizes = (*(1 for _ in place[:-2]), *self.shape)
        return tuple(slice(i, i + n) for i, n in zip(place, sizes, strict=True))

    def _offer(
        self,
        chosen: list[Window],
        region: Region,
        rank: float,
        pixels: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Keep a window if it ranks high enough, with few from one plane."""
        with self._guard:
            if len(chosen) == self.most and rank < chosen[-1].rank:
                return
            chosen.append(Window(region, float(rank), *(each.copy() for each in pixels)))
            chosen.sort(key=lambda window: (-window.rank, window.start))
            plane = [w for w in chosen if w.region[:-2] == region[:-2]]
            if len(plane) > self._per_plane:
                chosen.remove(plane[-1])
            del chosen[self.most :]


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the mean change of each block in units of what its own variation explains.

    Parameters
    ----------
    before, after : numpy.ndarray
        Planes, (N, Y, X).

    Returns
    -------
    numpy.ndarray
        (N, Y // `BLOCK`, X // `BLOCK`), float32.
    """
    rows, columns = (side // BLOCK for side in before.shape[1:])
    if not rows * columns:
        return np.zeros((len(before), rows, columns), np.float32)
    inside = slice(None), slice(0, rows * BLOCK), slice(0, columns * BLOCK)
    with np.errstate(invalid="ignore", over="ignore"):
        change = before[inside].astype(np.float32) - after[inside].astype(np.float32)
        np.nan_to_num(change, copy=False, posinf=0, neginf=0)
        blocks = change.reshape(len(change), rows, BLOCK, columns, BLOCK)
        mean = blocks.mean(axis=(2, 4))
        variance = np.maximum(np.square(blocks).mean(axis=(2, 4)) - np.square(mean), 0)
        usual = variance + FLOOR * variance.mean(axis=(1, 2), keepdims=True)
        return np.nan_to_num(np.abs(mean) / np.sqrt(usual + np.finfo(np.float32).tiny))


def _starts(length: int, size: int) -> Iterable[int]:
    """Return where windows of a size begin, the last one at the end."""
    return sorted({*range(0, length - size + 1, size), length - size})


def _blocks(part: slice) -> slice:
    return slice(-(-part.start // BLOCK), part.stop // BLOCK)


def _key(region: Region) -> tuple[tuple[int, int], ...]:
    """Return a region as a key, because slices have no hash before Python 3.12."""
    return tuple((part.start, part.stop) for part in region)
