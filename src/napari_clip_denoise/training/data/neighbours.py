"""Patches of planes, and of the planes before and after them where they agree."""

from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.images.noise_level import noise_level_map
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.network.fusion import GuidedPlane, agreement, average, kept_noise
from napari_clip_denoise.network.inference import Network, predict
from napari_clip_denoise.training.data.patches import PatchSource, some
from napari_clip_denoise.training.data.refinement import pieces

LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, eq=False)
class NeighbourSource(PatchSource):
    """Planes in memory, each with the one before and the one after it.

    Attributes
    ----------
    planes : numpy.ndarray
        (N, 3, S, Y, X), the plane before, the plane and the plane after it, on the network's scale.
    weights : numpy.ndarray
        (N, 2, Y, X), how far those before and after agree with the plane, from 0 to 1.
    levels : numpy.ndarray
        (N, 1, Y, X), noise level of the plane.
    """

    planes: np.ndarray = field(default_factory=lambda: np.empty(0))
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    levels: np.ndarray = field(default_factory=lambda: np.empty(0))

    def read_told(
        self, plane: int, window: tuple[slice, slice], samples: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read a patch, its target and its noise level.

        In one half of the cases, the patch is that of the plane, and the target the mean of its
        neighbours. In the other, it is the mean with one of them, and the target is the other one.

        Parameters
        ----------
        plane, window, samples, rng
            See `PatchSource.read_told`.

        Returns
        -------
        first : numpy.ndarray
            (samples, Y, X), float32.
        second : numpy.ndarray
            (samples + 1, Y, X), float32: the target, and its weight at each pixel.
        level : numpy.ndarray
            Noise level of the first one, (1, Y, X), float32.
        """
        before, own, after = self.planes[plane, :, :, *window]
        weights = self.weights[plane, :, *window]
        level = self.levels[plane, :, *window]
        if self.stack.is_rgb and samples == 1:
            colour = int(rng.integers(3))
            before, own, after = (each[colour : colour + 1] for each in (before, own, after))
        if rng.random() < 0.5:
            total = weights.sum(axis=0, keepdims=True)
            shares = weights / np.maximum(total, 1e-6)
            target = own + shares[0] * (before - own) + shares[1] * (after - own)
            return own, np.concatenate([target, total / 2]), level
        given, wanted = (0, 1) if rng.random() < 0.5 else (1, 0)
        sides = before, after
        weight, other, variance = (
            torch.from_numpy(each) for each in (weights[[given]], sides[given], level**2)
        )
        change, share = average(torch.from_numpy(own), [(weight, other)], variance)
        second = np.concatenate([sides[wanted], weights[[wanted]]])
        return own + change.numpy(), second, level * np.sqrt(share.numpy())


def neighbour_source(
    source: PatchSource, axis: str | None, network: Network, most_pixels: int
) -> NeighbourSource | None:
    """Find out where the planes of a stack agree with those before and after them.

    Parameters
    ----------
    source : PatchSource
        The stack, with its mapping.
    axis : str or None
        Axis of the neighbours; by default the last one before the plane.
    network : callable
        Denoises (N, 1, Y, X) on the network's scale; makes the guides.
    most_pixels : int
        Number of pixels to make guides of.

    Returns
    -------
    NeighbourSource or None
        The planes; None if there are less than three in a row.

    Raises
    ------
    InputError
        If there is no such axis, or the noise cannot be measured.
    """
    stack = source.stack
    number = neighbour_axis(stack.axes, axis)
    depth = stack.shape[number]
    ranges = [range(size) for size in stack.leading_shape]
    ranges[number] = range(1, depth - 1)
    places = list(product(*ranges))
    if not places:
        return None
    rows, columns = (pieces(length) for length in stack.plane_shape)
    pixels = prod(part[0].stop - part[0].start for part in (rows, columns))
    cuts = list(product(rows, columns, places))
    guides = _Guides(source, network)
    found = []
    for row, column, place in some(cuts, max(1, most_pixels // (3 * pixels))):
        triple = [
            guides.of((*place[:number], place[number] + step, *place[number + 1 :]), (row, column))
            for step in (-1, 0, 1)
        ]
        found.append((stack.read_plane(place, (row, column)), *_compared(triple)))
    raw, planes, weights, levels = (np.stack(part) for part in zip(*found, strict=True))
    own = as_stack(raw, "zyxs" if stack.is_rgb else "zyx", name=stack.name)
    return NeighbourSource(own, source.mapping, planes=planes, weights=weights, levels=levels)


@dataclass(frozen=True, eq=False)
class _Guided:
    plane: GuidedPlane
    level: Tensor


class _Guides:
    """Planes with their guides, each made once."""

    def __init__(self, source: PatchSource, network: Network):
        self._source = source
        self._network = network
        self._made: dict[object, _Guided] = {}

    def of(self, place: tuple[int, ...], window: tuple[slice, slice]) -> _Guided:
        """Return a part of a plane; all its colours are denoised one by one."""
        key = place, *((part.start, part.stop) for part in window)
        if key not in self._made:
            self._made[key] = self._make(self._source.stack.read_plane(place, window), place)
        return self._made[key]

    def _make(self, values: np.ndarray, place: tuple[int, ...]) -> _Guided:
        finite = np.isfinite(values)
        values = values if finite.all() else np.where(finite, values, values[finite].mean())
        mapping = self._source.mapping_at(place)
        if mapping.noise is None:
            raise InputError(
                f"The noise of '{self._source.stack.name}' cannot be measured, so it is not known "
                "where neighbouring planes agree; choose another objective."
            )
        colours, levels, known = (
            torch.from_numpy(np.ascontiguousarray(_colours_first(each), np.float32))
            for each in (mapping.normalize(values), noise_level_map(values, mapping), finite)
        )
        guide = predict(self._network, colours[:, None], levels[:, None])[:, 0].float()
        level = levels.square().mean(0, keepdim=True).sqrt()
        noisy = torch.where(known.bool(), colours, torch.nan)
        plane = GuidedPlane.of(colours, guide, known.amin(0, keepdim=True))
        return _Guided(replace(plane, noisy=noisy), level)


def _compared(triple: list[_Guided]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the planes (3, S, Y, X), the weights (2, Y, X) and the level (1, Y, X)."""
    before, own, after = triple
    variance = own.level.square().clamp_min(LEAST_VARIANCE)
    weights = []
    for other in (before.plane, after.plane):
        kept = kept_noise(own.plane, other, variance)
        weights.append(agreement(own.plane, other, variance, kept))
    planes = torch.stack([each.plane.noisy for each in triple])
    return planes.numpy(), torch.cat(weights).numpy(), own.level.numpy()


def _colours_first(plane: np.ndarray) -> np.ndarray:
    return plane[np.newaxis] if plane.ndim == 2 else np.moveaxis(plane, -1, 0)
