"""Everything that decides the pixels of a result, put together once."""

import math
from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.images.intensity import IntensityMapping, estimate_mapping
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.device import resolve_device, resolve_precision
from napari_clip_denoise.inference.engine.engine import Runner, get_runner
from napari_clip_denoise.inference.engine.tiling import Span, half_tile, layout, padded
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.checkpoint import Model

LARGE_TILE = 1024


@dataclass(frozen=True)
class Job:
    """A source, a model on a device, and how one becomes the other.

    Attributes
    ----------
    stack : Stack
        The source.
    runner : Runner
        The model on its device.
    mapping : IntensityMapping
        Raw values to the network's scale, one mapping a channel of the stack.
    strength : float
        Share of the noise that is removed.
    dtype : numpy.dtype
        Type of the result.
    rows, columns : tuple of Span
        Tile grid of a plane.
    batch : int
        Tiles in one call of the network.
    self_ensemble : bool
        Whether each tile is run in eight orientations.
    """

    stack: Stack
    runner: Runner
    mapping: IntensityMapping
    strength: float
    dtype: np.dtype
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    batch: int
    self_ensemble: bool = False

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of a tile."""
        return _tile_shape(self.rows, self.columns)

    @property
    def tile(self) -> int:
        """The longer side of a tile."""
        return max(self.tile_shape)


def prepare(
    stack: Stack,
    model: Model,
    settings: DenoiseSettings,
    *,
    mapping: IntensityMapping | None = None,
) -> Job:
    """Put a job together; reads a bounded sample of the stack where the mapping needs it.

    Parameters
    ----------
    stack : Stack
        The source.
    model : Model
        Used instead of looking up ``settings.model``.
    settings : DenoiseSettings
        See there.
    mapping : IntensityMapping, optional
        Used instead of estimating it from the stack.

    Raises
    ------
    InputError
        If a setting does not fit the source or the model.
    DeviceError
        If the device is not there.
    """
    dtype = result_dtype(stack, settings.output_dtype)
    device = resolve_device(settings.device)
    precision = resolve_precision(settings.precision, device)
    runner = get_runner(model, device, precision, settings.threads)
    rows, columns, batch = _fitting(stack, runner, settings)
    return Job(
        stack=stack,
        runner=runner,
        mapping=mapping or estimate_mapping(stack, settings.intensity),
        strength=settings.strength,
        dtype=dtype,
        rows=rows,
        columns=columns,
        batch=batch,
        self_ensemble=settings.self_ensemble,
    )


def tile_grid(
    stack: Stack, card: ModelCard, tile: int
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Lay tiles over the planes of a stack: rows and columns."""
    rows, columns = (
        tuple(layout(length, tile, card.halo, card.pad_multiple)) for length in stack.plane_shape
    )
    return rows, columns


def _fitting(
    stack: Stack, runner: Runner, settings: DenoiseSettings
) -> tuple[tuple[Span, ...], tuple[Span, ...], int]:
    """Choose tiles and batch, where settings leave them open, so that they fit into the device."""
    tile = settings.tile or _default_tile(stack.plane_shape, runner)
    if settings.tile and settings.batch:
        return *tile_grid(stack, runner.card, tile), settings.batch
    room = runner.pixels_that_fit()
    while True:
        rows, columns = tile_grid(stack, runner.card, tile)
        pixels = math.prod(_tile_shape(rows, columns))
        half = half_tile(tile, runner.card.halo)
        if settings.tile or half is None or pixels * (settings.batch or 1) <= room:
            break
        tile = half
    return rows, columns, settings.batch or max(1, min(room, runner.pixels_a_batch()) // pixels)


def _tile_shape(rows: tuple[Span, ...], columns: tuple[Span, ...]) -> tuple[int, int]:
    return rows[0].stop - rows[0].start, columns[0].stop - columns[0].start


def _default_tile(plane_shape: tuple[int, int], runner: Runner) -> int:
    """Whole planes up to a megapixel, which no tile border can touch, else large tiles."""
    multiple = runner.card.pad_multiple
    height, width = (padded(length, multiple) for length in plane_shape)
    return max(height, width) if height * width <= LARGE_TILE**2 else LARGE_TILE
