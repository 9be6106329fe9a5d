"""Denoising of one region of the source: the only way from noisy to clean.

`denoise_region` does it in one call. Who keeps the prediction (a preview) calls `predict_region`;
who reads ahead (a pipelined run) hands it what `read_region` has read.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.planes import from_network, noise_levels, to_network
from napari_clip_denoise.inference.engine.tiles import Tile, Window, sum_changes
from napari_clip_denoise.inference.engine.tiling import AxisTile
from napari_clip_denoise.inference.engine.timing import Profile
from napari_clip_denoise.inference.engine.values import cast, fill_missing, missing_in
from napari_clip_denoise.inference.progress import CancelToken

BAND_SAMPLES = 2**17
"""Samples that are mapped at a time, so that they stay in the CPU cache."""


@dataclass(frozen=True)
class RegionInput:
    """Input of a region: the region itself and the halo of its tiles.

    Attributes
    ----------
    values : numpy.ndarray
        Raw values, (N planes, Y, X, S samples).
    colours : numpy.ndarray
        Samples to denoise, with missing values filled.
    window : Window
        The same on the network's scale, and the tiles.
    missing : numpy.ndarray or None
        Mask of the samples that are missing and not to be changed, if there are any.
    """

    values: np.ndarray
    colours: np.ndarray
    window: Window
    missing: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """The network's change of a region, before a strength is applied.

    Attributes
    ----------
    job, region :
        See `denoise_region`.
    given : RegionInput
        Raw values of the region.
    change : numpy.ndarray
        (M images, channels, Y, X), float32: denoised minus noisy values on the network's scale.
    """

    job: Job
    region: Region
    given: RegionInput
    change: np.ndarray

    def result(
        self,
        strength: float | None = None,
        *,
        buffers: BufferPool | None = None,
        profile: Profile | None = None,
    ) -> np.ndarray:
        """Return the denoised region on the raw scale.

        Parameters
        ----------
        strength : float, optional
            Fraction of the noise to remove, from 0 to 1; by default that of the job.
        buffers : BufferPool, optional
            Pool that provides the memory of the result.
        profile : Profile, optional
            Records the time.

        Returns
        -------
        numpy.ndarray
            In the shape of the region, of the job's type.
        """
        with _stage(profile, "unmap"):
            fraction = self.job.strength if strength is None else strength
            return _apply(self, fraction, buffers or BufferPool())


def denoise_region(
    job: Job,
    region: Region,
    *,
    values: np.ndarray | None = None,
    cancel: CancelToken | None = None,
    profile: Profile | None = None,
) -> np.ndarray:
    """Denoise a region of a job's source.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    region : tuple of slice
        One slice per axis of the source; an RGB axis must be complete.
    values : numpy.ndarray, optional
        Raw values at `source_window`, used instead of reading them.
    cancel : CancelToken, optional
        Token that is checked frequently.
    profile : Profile, optional
        Records the time spent in each stage.

    Returns
    -------
    numpy.ndarray
        The denoised region, of the job's type. How a stack is cut into regions changes it only by
        rounding, because batches differ. The same region always has the same bytes, because
        batches do not extend beyond a region.
    """
    given = read_region(job, region, values=values, profile=profile)
    prediction = predict_region(job, region, given=given, cancel=cancel, profile=profile)
    return prediction.result(profile=profile)


def predict_region(
    job: Job,
    region: Region,
    *,
    given: RegionInput | None = None,
    cancel: CancelToken | None = None,
    on_planes: Callable[[float], None] | None = None,
    buffers: BufferPool | None = None,
    profile: Profile | None = None,
) -> Prediction:
    """Run the network on a region.

    Parameters
    ----------
    job, region, cancel, profile :
        See `denoise_region`.
    given : RegionInput, optional
        Input returned by `read_region` for the same job and region, used instead of reading it.
    on_planes : callable, optional
        Called with the number of planes (fractional) finished since the last call.
    buffers : BufferPool, optional
        Pool that provides the memory of the prediction.

    Returns
    -------
    Prediction
        The network's change, from which the result follows at any strength.
    """
    given = given or read_region(job, region, buffers=buffers, profile=profile)
    y, x = region[_n_leading(job) :][:2]
    n_tiles = len(given.window.images) * len(given.window.tiles)
    planes_per_tile = planes_in(job, region) / n_tiles
    with _stage(profile, "device"):
        change = sum_changes(
            job,
            given.window,
            (y, x),
            buffers or BufferPool(),
            cancel=cancel,
            on_tiles=(lambda n: on_planes(n * planes_per_tile)) if on_planes else None,
        )
    return Prediction(job, region, given, change)


def read_region(
    job: Job,
    region: Region,
    *,
    values: np.ndarray | None = None,
    buffers: BufferPool | None = None,
    profile: Profile | None = None,
) -> RegionInput:
    """Read a region and the halo of its tiles, and map it to the network's scale.

    Parameters
    ----------
    job, region, values, profile :
        See `denoise_region`.
    buffers : BufferPool, optional
        Pool that provides the memory.

    Returns
    -------
    RegionInput
        Raw values, and the same on the network's scale.
    """
    buffers = buffers or BufferPool()
    index, tiles = source_window(job, region)
    if values is None:
        with _stage(profile, "read"):
            values = job.stack.read(index, buffers.acquire)
    with _stage(profile, "map"):
        values = values.reshape(-1, *values.shape[_n_leading(job) :])
        if not job.stack.is_rgb:
            values = values[..., np.newaxis]
        colours = values[..., :3]
        missing = missing_in(colours, job.stack.padding)
        colours = fill_missing(colours, missing)
        unit = buffers.acquire(colours.shape, np.float32)
        for plane, channel in enumerate(_channels(job, region)):
            mapping = job.mapping.channel(channel)
            for rows in _bands(colours.shape):
                unit[plane, rows] = mapping.normalize(colours[plane, rows])
        network = job.runner.card.network
        images = to_network(unit, network.channels)
        levels = None
        if network.noise_level:
            mappings = [job.mapping.channel(channel) for channel in _channels(job, region)]
            levels = noise_levels(colours, mappings, network.channels)
        window = Window(images, levels, tiles[0][0].start, tiles[0][1].start, tiles)
        return RegionInput(values, colours, window, missing)


def source_window(job: Job, region: Region) -> tuple[Region, list[Tile]]:
    """Return the part of the source that a region needs, and the region's tiles."""
    n_leading = _n_leading(job)
    y, x = region[n_leading : n_leading + 2]
    rows, columns = _overlapping(job.rows, y), _overlapping(job.columns, x)
    height, width = job.stack.plane_shape
    seen_y = slice(rows[0].start, min(height, rows[-1].stop))
    seen_x = slice(columns[0].start, min(width, columns[-1].stop))
    index = (*region[:n_leading], seen_y, seen_x, *region[n_leading + 2 :])
    return index, list(product(rows, columns))


def planes_in(job: Job, region: Region) -> float:
    """Return the number of planes in a region; pieces of large planes count as fractions."""
    sizes = (part.stop - part.start for part in region[: _n_leading(job) + 2])
    return math.prod(sizes) / math.prod(job.stack.plane_shape)


def _apply(prediction: Prediction, strength: float, buffers: BufferPool) -> np.ndarray:
    """Add the predicted change to the raw values."""
    job, region, given = prediction.job, prediction.region, prediction.given
    normalized_change = from_network(prediction.change, len(given.values), given.colours.shape[-1])
    y, x = region[_n_leading(job) :][:2]
    inside = (
        slice(y.start - given.window.y, y.stop - given.window.y),
        slice(x.start - given.window.x, x.stop - given.window.x),
    )
    shape = (len(given.values), *prediction.change.shape[-2:], given.values.shape[-1])
    result = buffers.acquire(shape, job.dtype)
    values, colours = (array[:, *inside] for array in (given.values, given.colours))
    missing = None if given.missing is None else given.missing[:, *inside]
    exact_type = np.result_type(values.dtype, np.float32)
    for plane, channel in enumerate(_channels(job, region)):
        mapping = job.mapping.channel(channel)
        for rows in _bands(colours.shape):
            exact = values[plane, rows].astype(exact_type)
            raw_change = mapping.denormalize_change(
                colours[plane, rows], normalized_change[plane, rows]
            )
            raw_change *= strength
            if missing is not None:
                raw_change[missing[plane, rows]] = 0
            with np.errstate(over="ignore", invalid="ignore"):
                exact[..., :3] += raw_change
            if values.dtype.kind == "f":
                _keep_finite(exact, values[plane, rows])
            result[plane, rows] = cast(exact, job.dtype)
    return result.reshape([part.stop - part.start for part in region])


def _keep_finite(result: np.ndarray, values: np.ndarray) -> None:
    """Undo, in place, changes that made a finite value infinite or NaN."""
    broken = ~np.isfinite(result)
    if broken.any():
        broken &= np.isfinite(values)
        result[broken] = values[broken]


def _stage(profile: Profile | None, name: str) -> AbstractContextManager[None]:
    return nullcontext() if profile is None else profile.stage(name)


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Split planes (N, Y, X, S) into bands of rows that fit into the CPU cache."""
    height = max(1, BAND_SAMPLES // math.prod(shape[2:]))
    return (slice(start, start + height) for start in range(0, shape[1], height))


def _overlapping(tiles: tuple[AxisTile, ...], part: slice) -> list[AxisTile]:
    return [t for t in tiles if t.weight_start < part.stop and t.weight_stop > part.start]


def _channels(job: Job, region: Region) -> list[int]:
    """List the channel of each plane of a region, in C order."""
    ranges = [range(part.start, part.stop) for part in region[: _n_leading(job)]]
    where = job.stack.axes.find("c")
    return [position[where] if where >= 0 else 0 for position in product(*ranges)]


def _n_leading(job: Job) -> int:
    """Return the number of axes before those of the plane."""
    return job.stack.ndim - (3 if job.stack.is_rgb else 2)
