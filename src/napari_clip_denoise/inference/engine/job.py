"""Collection of everything that decides the pixels of a result."""

import math
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.images.intensity import (
    DEFAULT_INTENSITY,
    ChannelMapping,
    Intensity,
    IntensityMapping,
    estimate_mapping,
    parse_intensity,
)
from napari_clip_denoise.images.lines import Destripe
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.buffers import ArrayCache
from napari_clip_denoise.inference.engine.device import way_to_run
from napari_clip_denoise.inference.engine.engine import Runner, get_runner
from napari_clip_denoise.inference.engine.measured.drift import Drift
from napari_clip_denoise.inference.engine.measured.lines import PlaneLines
from napari_clip_denoise.inference.engine.tiling import AxisTile, half_tile, tile_axis
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.settings import DenoiseSettings, HotPixels
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.zoo.card import ZooCard
from napari_clip_denoise.models.zoo.mapping import package_mapping

LARGE_TILE = 1024
LARGEST_EXACT = 2**22
"""Pixels of a plane up to which a network whose tiles differ from the plane gets it whole."""


@dataclass(frozen=True)
class Job:
    """Source, model on a device, and the settings that turn one into the result.

    Attributes
    ----------
    stack : Stack
        The source.
    runner : Runner
        The model on its device.
    mapping : IntensityMapping
        Mapping of raw values to the network's scale, one for each channel of the stack.
    strength : float
        Fraction of the noise that is removed, from 0 to 1.
    dtype : numpy.dtype
        Type of the result.
    rows, columns : tuple of AxisTile
        Tile grid of a plane.
    batch : int
        Number of tiles per call of the network.
    self_ensemble : bool
        Whether each tile is denoised in eight orientations.
    hot_pixels : str
        ``"keep"`` or ``"replace"``, see `DenoiseSettings`.
    destripe : str
        ``"off"``, ``"rows"`` or ``"columns"``, see `DenoiseSettings`.
    lines : PlaneLines or None
        Offsets of the lines that are removed, if any.
    context : int
        Number of planes on each side that a plane is averaged with; 0 for none.
    context_axis : int
        Number of the axis along which they are neighbours.
    drift : Drift or None
        Shifts between planes, if neighbours are moved by them.
    guide_tiles : (tuple of AxisTile, tuple of AxisTile) or None
        Tile grid of the guides, if it is not that of the planes.
    guides : ArrayCache
        Tiles of guides that have been made.
    """

    stack: Stack
    runner: Runner
    mapping: IntensityMapping
    strength: float
    dtype: np.dtype
    rows: tuple[AxisTile, ...]
    columns: tuple[AxisTile, ...]
    batch: int
    self_ensemble: bool = False
    hot_pixels: HotPixels = "keep"
    destripe: Destripe = "off"
    lines: PlaneLines | None = None
    context: int = 0
    context_axis: int = 0
    drift: Drift | None = None
    guide_tiles: tuple[tuple[AxisTile, ...], tuple[AxisTile, ...]] | None = None
    guides: ArrayCache = field(default_factory=ArrayCache)

    @property
    def guide_grid(self) -> tuple[tuple[AxisTile, ...], tuple[AxisTile, ...]]:
        """Rows and columns of the tile grid of the guides."""
        return self.guide_tiles or (self.rows, self.columns)

    def mappings_of(self, region: Region) -> list[ChannelMapping]:
        """Return the intensity mapping of each plane of a region, in C order."""
        ranges = [range(part.start, part.stop) for part in region[: len(self.stack.leading_shape)]]
        where = self.stack.axes.find("c")
        channels = (position[where] if where >= 0 else 0 for position in product(*ranges))
        return [self.mapping.channel(channel) for channel in channels]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of a tile in pixels."""
        return _tile_shape(self.rows, self.columns)

    @property
    def tile(self) -> int:
        """Longer side of a tile in pixels."""
        return max(self.tile_shape)


def prepare(
    stack: Stack,
    model: Model,
    settings: DenoiseSettings,
    *,
    mapping: IntensityMapping | None = None,
) -> Job:
    """Prepare a job; this reads a sample of bounded size if the mapping has to be estimated.

    Parameters
    ----------
    stack : Stack
        The source.
    model : Model
        Loaded model, used instead of ``settings.model``.
    settings : DenoiseSettings
        Settings of the run.
    mapping : IntensityMapping, optional
        Intensity mapping, used instead of estimating one from the stack.

    Returns
    -------
    Job
        The job, with tiles and batch that fit into the device's memory.

    Raises
    ------
    InputError
        If a setting does not suit the source or the model.
    DeviceError
        If the device is not available.
    """
    dtype = result_dtype(stack, settings.output_dtype)
    check_context(model.card, settings)
    context_axis = neighbour_axis(stack.axes, settings.context_axis) if settings.context else 0
    runner = get_runner(model, *way_to_run(model, settings), settings.threads)
    rows, columns, batch = _fitting(stack, runner, settings)
    mapping = mapping or mapping_for(stack, model.card, settings)
    lines = None if settings.destripe == "off" else PlaneLines(stack, settings.destripe)
    is_aligned = settings.context and settings.context_align
    return Job(
        stack=stack,
        runner=runner,
        mapping=mapping,
        strength=settings.strength,
        dtype=dtype,
        rows=rows,
        columns=columns,
        batch=batch,
        self_ensemble=settings.self_ensemble,
        hot_pixels=settings.hot_pixels,
        destripe=settings.destripe,
        lines=lines,
        context=settings.context,
        context_axis=context_axis,
        drift=Drift(stack, mapping, lines) if is_aligned else None,
    )


def check_context(card: ModelCard, settings: DenoiseSettings) -> None:
    """Raise an error if a model cannot denoise the mean of neighbouring planes.

    Raises
    ------
    InputError
        If the model or the settings leave the noise level open. The noise of the mean differs from
        pixel to pixel, and a network that is not told so would leave it or blur the image.
    """
    if settings.context and not card.network.noise_level:
        raise InputError(
            f"The model {card.name} cannot use neighbouring planes, because it does not use the "
            "noise level; denoise without neighbours (context 0), or choose another model."
        )
    if settings.context and settings.noise_level == "blind":
        raise InputError(
            "Neighbouring planes can be used only if the noise level is known; let it be measured "
            "(auto), give a number, or denoise without neighbours (context 0)."
        )


def mapping_for(stack: Stack, card: ModelCard, settings: DenoiseSettings) -> IntensityMapping:
    """Estimate the intensity mapping of a run, with the noise if the model is told its level.

    Parameters
    ----------
    stack : Stack
        The source.
    card : ModelCard
        Card of the model.
    settings : DenoiseSettings
        Settings of the run.

    Raises
    ------
    InputError
        If the model cannot be told a noise level that is given.
    """
    if isinstance(card, ZooCard):
        return package_mapping(stack, card, settings.intensity, settings.noise_level)
    intensity = intensity_for(card, settings)
    if card.network.noise_level:
        return estimate_mapping(stack, intensity, settings.noise_level)
    if isinstance(settings.noise_level, float):
        raise InputError(
            f"The model {card.name} does not use the noise level; leave it at automatic (auto), or "
            "choose another model."
        )
    return estimate_mapping(stack, intensity)


def intensity_for(card: ModelCard, settings: DenoiseSettings) -> Intensity:
    """Return the intensity mapping of a run, a name or a pair of raw values.

    A model that clips its input needs a fixed range. If the settings leave the mapping at its
    automatic default, that is the one on the model's card.
    """
    is_default = settings.intensity == DEFAULT_INTENSITY
    return parse_intensity(card.intensity) if card.clip_input and is_default else settings.intensity


def tile_grid(
    stack: Stack, card: ModelCard, tile: int
) -> tuple[tuple[AxisTile, ...], tuple[AxisTile, ...]]:
    """Return the rows and columns of the tile grid of a stack's planes.

    Parameters
    ----------
    stack : Stack
        The source.
    card : ModelCard
        Card of the model, which sets the halo of the tiles.
    tile : int
        Side of a tile in pixels, a multiple of 16.

    Returns
    -------
    rows, columns : tuple of AxisTile
        Tiles along Y and X.
    """
    rows, columns = (
        tuple(tile_axis(length, tile, card.halo, sizes))
        for length, sizes in zip(stack.plane_shape, card.input_sizes, strict=True)
    )
    return rows, columns


def _fitting(
    stack: Stack, runner: Runner, settings: DenoiseSettings
) -> tuple[tuple[AxisTile, ...], tuple[AxisTile, ...], int]:
    """Choose the tiles and the batch that the settings leave open so that they fit into memory."""
    tile = settings.tile or _default_tile(stack.plane_shape, runner)
    if settings.tile and settings.batch:
        return *tile_grid(stack, runner.card, tile), settings.batch
    room = runner.pixels_that_fit()
    while True:
        rows, columns = tile_grid(stack, runner.card, tile)
        pixels = math.prod(_tile_shape(rows, columns))
        half = half_tile(tile, runner.card)
        if settings.tile or half is None or pixels * (settings.batch or 1) <= room:
            break
        tile = half
    return rows, columns, settings.batch or max(1, min(room, runner.pixels_per_batch()) // pixels)


def _tile_shape(rows: tuple[AxisTile, ...], columns: tuple[AxisTile, ...]) -> tuple[int, int]:
    return rows[0].stop - rows[0].start, columns[0].stop - columns[0].start


def _default_tile(plane_shape: tuple[int, int], runner: Runner) -> int:
    """Return the tile side: the plane's up to a megapixel, to avoid tiling, else a large one.

    With ``align_corners=True``, tiles differ from the plane, so that is up to 4 megapixels.
    """
    card = runner.card
    sizes = zip(plane_shape, card.input_sizes, strict=True)
    height, width = (along.padded(length) for length, along in sizes)
    most = LARGEST_EXACT if card.network.align_corners else LARGE_TILE**2
    return max(height, width) if height * width <= most else LARGE_TILE
