"""Images that patches are cut from lazily, on the scale that the network sees in use."""

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
    estimate_mapping,
)
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
class Field:
    """An image or stack, and what its patches are compared with.

    Attributes
    ----------
    stack : Stack
        What patches are cut from.
    mapping : IntensityMapping or None
        To the network's scale; None leaves the values as they are.
    other : Stack or None
        Of the same shape: clean images or repeats.
    line : Line
        Brings the values of `other` to those of `stack`; without an other, those of `stack`.
    is_clean : bool
        Whether `other` is without noise.
    repeat_axis : str or None
        Axis of `stack` along which the field is repeated.
    noise : CameraNoise or None
        Noise that is put on `other` whenever it is read, on the raw scale; that is the patch then,
        instead of `stack`.
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
        """Sizes of the axes that number the planes; the repeat axis counts one."""
        return tuple(
            1 if axis == self.repeat_axis else size
            for axis, size in zip(
                leading_axes(self.stack.axes), self.stack.leading_shape, strict=True
            )
        )

    @property
    def n_planes(self) -> int:
        """Number of planes, repeats counted once."""
        return int(np.prod(self.positions, dtype=np.int64))

    def read(
        self, plane: int, window: tuple[slice, slice], samples: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a patch and its counterpart.

        Parameters
        ----------
        plane : int
            Number of the plane.
        window : tuple of slice
            Rows and columns.
        samples : {1, 3}
            3 takes all of RGB, 1 takes a random one of them. Grey images have one.
        rng : numpy.random.Generator
            Chooses sample and repeats.

        Returns
        -------
        first, second : numpy.ndarray
            (samples, Y, X), float32; without a counterpart both are the same.
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
        mapping = self._mapping(position)
        if self.mapping is not None:
            line = self.line if self.other is not None else IDENTITY
            second = _mapped(mapping, line(second), is_clean=self.is_clean)
            first = mapping.normalize(first)
        else:
            first, second = self.line(first), self.line(second)
        return _samples(first, chosen), _samples(second, chosen)

    def sample(self) -> Iterator[np.ndarray]:
        """Read the middle of a few planes, mapped, (Y, X) each."""
        middle = [
            slice(max(0, (n - SAMPLE_SIDE) // 2), min(n, (n + SAMPLE_SIDE) // 2))
            for n in self.stack.plane_shape
        ]
        for plane in some(range(self.n_planes), SAMPLE_PLANES):
            rng = np.random.default_rng(plane)
            yield self.read(plane, (middle[0], middle[1]), 1, rng)[0][0]

    def _noisy(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Put noise on a patch (Y, X) or (Y, X, 3)."""
        assert self.noise is not None
        if not self.stack.is_rgb:
            return self.noise(clean, rng)
        return np.moveaxis(self.noise(np.moveaxis(clean, -1, 0), rng), 0, -1)

    def _mapping(self, position: Position) -> ChannelMapping:
        where = self.stack.axes.find("c")
        mapping = self.mapping or IntensityMapping((ChannelMapping(0.0, 1.0),))
        return mapping.channel(position[where] if where >= 0 else 0)


def in_memory(stacks: list[Stack]) -> list[Stack]:
    """Read stacks into memory if they are small, all together; larger ones stay where they are."""
    total = sum(np.prod(stack.shape, dtype=float) * stack.dtype.itemsize for stack in stacks)
    if total > IN_MEMORY_BYTES:
        return stacks
    return [
        Stack(stack.read(whole(stack.shape)), stack.axes, stack.metadata, stack.name, stack.path)
        for stack in stacks
    ]


def mapped_field(stack: Stack, intensity: Intensity, **others: Any) -> Field:
    """Make a field whose values are mapped as in a run.

    Raises
    ------
    InputError
        If the stack is constant.
    """
    mapping = estimate_mapping(stack, intensity)
    if any(channel.high <= channel.low for channel in mapping.channels):
        raise InputError(f"'{stack.name}' is constant, there is nothing to learn; give another.")
    return Field(stack, mapping, **others)


def some(items: Sequence[T], most: int = MAX_MEASURED) -> list[T]:
    """Return at most `most` of several items, spread evenly."""
    return [items[i] for i in evenly(len(items), most)]


def _mapped(mapping: ChannelMapping, values: np.ndarray, *, is_clean: bool) -> np.ndarray:
    """Map values; clean ones to the mean of what noisy ones around them map to."""
    return mapping.expected(values) if is_clean else mapping.normalize(values)


def _samples(patch: np.ndarray, chosen: int | None) -> np.ndarray:
    """Bring a patch (Y, X) or (Y, X, 3) to (samples, Y, X)."""
    if patch.ndim == 2:
        return np.asarray(patch, np.float32)[np.newaxis]
    moved = np.moveaxis(patch, -1, 0)
    return np.asarray(moved if chosen is None else moved[chosen : chosen + 1], np.float32)
