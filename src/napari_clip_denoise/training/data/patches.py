"""Images that patches are lazily cut from, on the network's scale as in a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.images.intensity import (
    ChannelMapping,
    Intensity,
    IntensityMapping,
    NoiseLevel,
    estimate_mapping,
)
from napari_clip_denoise.images.noise_level import noise_level_map
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.sampling import evenly
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.training.data.pairs import IDENTITY, Line

IN_MEMORY_BYTES = 2**29
MAX_MEASURED = 16
SAMPLE_PLANES = 4
SAMPLE_SIDE = 512
Position = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class PatchSource:
    """Image or stack, and the images that its patches are compared with.

    Attributes
    ----------
    stack : Stack
        The stack that patches are cut from.
    mapping : IntensityMapping or None
        Mapping to the network's scale; None leaves the values unchanged.
    other : Stack or None
        Clean images or repeats of the same shape.
    line : Line
        Converts the values of `other` to the scale of `stack`; if `mapping` is None, it is applied
        to both.
    is_clean : bool
        Whether `other` is free of noise.
    repeat_axis : str or None
        Axis of `stack` along which the field is repeated.
    noise : CameraNoise or None
        Noise on the raw scale that is added to `other` at each read; the result replaces the patch
        of `stack`.
    """

    stack: Stack
    mapping: IntensityMapping | None
    other: Stack | None = None
    line: Line = IDENTITY
    is_clean: bool = False
    repeat_axis: str | None = None
    noise: CameraNoise | None = None

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """Sizes of the axes that number the planes; the repeat axis counts as 1."""
        return tuple(
            1 if axis == self.repeat_axis else size
            for axis, size in zip(
                leading_axes(self.stack.axes), self.stack.leading_shape, strict=True
            )
        )

    @property
    def n_planes(self) -> int:
        """Number of planes; repeats count once."""
        return int(np.prod(self.positions, dtype=np.int64))

    def read(
        self, plane: int, window: tuple[slice, slice], samples: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a patch and its counterpart.

        Parameters
        ----------
        plane, window, samples, rng
            See `read_told`.

        Returns
        -------
        first, second : numpy.ndarray
            (samples, Y, X), float32; both are the same if there is no counterpart.
        """
        first, second, _ = self.read_told(plane, window, samples, rng)
        return first, second

    def read_told(
        self, plane: int, window: tuple[slice, slice], samples: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read a patch, its counterpart and its noise level.

        Parameters
        ----------
        plane : int
            Number of the plane.
        window : tuple of slice
            Rows and columns.
        samples : {1, 3}
            3 reads all RGB samples, 1 reads a random one. Gray images have one sample.
        rng : numpy.random.Generator
            Chooses the sample and the repeats.

        Returns
        -------
        first, second : numpy.ndarray
            (samples, Y, X), float32; both are the same if there is no counterpart.
        level : numpy.ndarray
            Standard deviation of the noise of the first one on the network's scale, (1, Y, X),
            float32; NaN if it is unknown.
        """
        position = tuple(int(i) for i in np.unravel_index(plane, self.positions or (1,)))
        position = position[: len(self.positions)]
        chosen = int(rng.integers(3)) if self.stack.is_rgb and samples == 1 else None
        if self.repeat_axis is not None:
            where = self.stack.axes.index(self.repeat_axis)
            pair = rng.choice(self.stack.shape[where], 2, replace=False)
            first, second = (
                self.stack.read_plane((*position[:where], int(i), *position[where + 1 :]), window)
                for i in pair
            )
        else:
            first = self.stack.read_plane(position, window)
            second = first if self.other is None else self.other.read_plane(position, window)
        if self.noise is not None:
            first = self._noisy(second, rng)
        mapping = self.mapping_at(position)
        level = _samples(noise_level_map(first, mapping), chosen)
        if self.mapping is not None:
            line = self.line if self.other is not None else IDENTITY
            second = _mapped(mapping, line(second), is_clean=self.is_clean)
            first = mapping.normalize(first)
        else:
            first, second = self.line(first), self.line(second)
        power = np.square(level).mean(axis=0, keepdims=True)
        return _samples(first, chosen), _samples(second, chosen), np.sqrt(power)

    def sample(self) -> Iterator[np.ndarray]:
        """Yield the mapped centres (Y, X) of a few planes."""
        middle = [
            slice(max(0, (n - SAMPLE_SIDE) // 2), min(n, (n + SAMPLE_SIDE) // 2))
            for n in self.stack.plane_shape
        ]
        for plane in some(range(self.n_planes), SAMPLE_PLANES):
            rng = np.random.default_rng(plane)
            yield self.read(plane, (middle[0], middle[1]), 1, rng)[0][0]

    def _noisy(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add noise to a patch (Y, X) or (Y, X, 3)."""
        assert self.noise is not None
        if not self.stack.is_rgb:
            return self.noise(clean, rng)
        return np.moveaxis(self.noise(np.moveaxis(clean, -1, 0), rng), 0, -1)

    def mapping_at(self, position: Position) -> ChannelMapping:
        """Return the intensity mapping of a plane."""
        where = self.stack.axes.find("c")
        mapping = self.mapping or IntensityMapping((ChannelMapping(0.0, 1.0),))
        return mapping.channel(position[where] if where >= 0 else 0)


def in_memory(stacks: list[Stack]) -> list[Stack]:
    """Read all stacks into memory if their total size is small, else return them unchanged."""
    total = sum(np.prod(stack.shape, dtype=float) * stack.dtype.itemsize for stack in stacks)
    if total > IN_MEMORY_BYTES:
        return stacks
    return [
        Stack(stack.read(whole(stack.shape)), stack.axes, stack.metadata, stack.name, stack.path)
        for stack in stacks
    ]


def mapped_source(
    stack: Stack, intensity: Intensity, noise_level: NoiseLevel = "blind", **others: Any
) -> PatchSource:
    """Create a source of patches whose values are mapped as in a run.

    Parameters
    ----------
    stack : Stack
        The stack that patches are cut from.
    intensity : str or (float, float)
        Intensity mapping, see `DenoiseSettings`.
    noise_level : str or float
        ``"auto"`` measures the noise of the stack, see `estimate_mapping`.
    **others
        Further attributes of `PatchSource`.

    Returns
    -------
    PatchSource
        The source of patches.

    Raises
    ------
    InputError
        If the stack is constant.
    """
    mapping = estimate_mapping(stack, intensity, noise_level)
    if any(channel.high <= channel.low for channel in mapping.channels):
        raise InputError(f"'{stack.name}' is constant, there is nothing to learn; give another.")
    return PatchSource(stack, mapping, **others)


def some(items: Sequence[T], most: int = MAX_MEASURED) -> list[T]:
    """Return at most `most` of the items, evenly spaced."""
    return [items[i] for i in evenly(len(items), most)]


def _mapped(mapping: ChannelMapping, values: np.ndarray, *, is_clean: bool) -> np.ndarray:
    """Map values; map clean ones to the mean of the mapped noisy values around them."""
    return mapping.expected(values) if is_clean else mapping.normalize(values)


def _samples(patch: np.ndarray, chosen: int | None) -> np.ndarray:
    """Convert a patch (Y, X) or (Y, X, 3) to (samples, Y, X)."""
    if patch.ndim == 2:
        return np.asarray(patch, np.float32)[np.newaxis]
    moved = np.moveaxis(patch, -1, 0)
    return np.asarray(moved if chosen is None else moved[chosen : chosen + 1], np.float32)
