"""What the network changes in a region, and the result that follows at any strength."""

from dataclasses import dataclass, replace

import numpy as np

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.engine.buffers import BufferPool
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.neighbours.context import Context
from napari_clip_denoise.inference.engine.planes import bands, from_network
from napari_clip_denoise.inference.engine.tiles import KeptTile, Window, kept_share
from napari_clip_denoise.inference.engine.values import cast
from napari_clip_denoise.inference.timing import Profile, stage


@dataclass(frozen=True)
class RegionInput:
    """Input of a region: the region itself and the halo of its tiles.

    Attributes
    ----------
    values : numpy.ndarray
        Raw values, (N planes, Y, X, S samples).
    colours : numpy.ndarray
        Samples to denoise, with missing values filled and without the offsets of lines.
    window : Window
        The same on the network's scale, and the tiles.
    missing : numpy.ndarray or None
        Mask of the samples that are missing and not to be changed, if there are any.
    hot : numpy.ndarray or None
        Mask of hot and dead pixels, if there are any; they are filled in `colours`.
    context : Context or None
        Which images of `window` are those of the region and which are neighbours; None if there
        are no neighbours. The other attributes hold the planes of the region alone.
    """

    values: np.ndarray
    colours: np.ndarray
    window: Window
    missing: np.ndarray | None = None
    hot: np.ndarray | None = None
    context: Context | None = None

    def for_result(self) -> "RegionInput":
        """Return this without what only the network needs: noise levels and neighbours."""
        return replace(self, window=replace(self.window, levels=None), context=None)


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
    kept : tuple of KeptTile
        Tiles in which nothing varies, so that they were not denoised.
    """

    job: Job
    region: Region
    given: RegionInput
    change: np.ndarray
    kept: tuple[KeptTile, ...] = ()

    @property
    def n_hot(self) -> int:
        """Number of hot and dead pixels in the region."""
        if self.given.hot is None:
            return 0
        return int(np.count_nonzero(self.given.hot[:, *_inside(self)]))

    @property
    def noisy(self) -> np.ndarray:
        """Raw values of the region, in its shape."""
        values = self.given.values[:, *_inside(self)]
        return values.reshape([part.stop - part.start for part in self.region])

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
        with stage(profile, "unmap"):
            fraction = self.job.strength if strength is None else strength
            return _apply(self, fraction, buffers or BufferPool())


def _apply(prediction: Prediction, strength: float, buffers: BufferPool) -> np.ndarray:
    """Add the predicted change to the raw values."""
    job, region, given = prediction.job, prediction.region, prediction.given
    normalized_change = from_network(prediction.change, len(given.values), given.colours.shape[-1])
    inside = _inside(prediction)
    shape = (len(given.values), *prediction.change.shape[-2:], given.values.shape[-1])
    result = buffers.acquire(shape, job.dtype)
    values, colours = (array[:, *inside] for array in (given.values, given.colours))
    missing, hot = (
        None if mask is None else mask[:, *inside] for mask in (given.missing, given.hot)
    )
    exact_type = np.result_type(values.dtype, np.float32)
    native = values.dtype.newbyteorder("=")
    has_long_integers = native in (np.int64, np.uint64) and native == job.dtype.newbyteorder("=")
    per_plane = len(prediction.change) // max(1, len(values))
    y, x = region[len(job.stack.leading_shape) :][:2]
    for plane, mapping in enumerate(job.mappings_of(region)):
        images = range(plane * per_plane, (plane + 1) * per_plane)
        kept = kept_share(prediction.kept, images, (y, x)) if mapping.anscombe else None
        for rows in bands(colours.shape):
            exact = values[plane, rows].astype(exact_type)
            raw_change = mapping.denormalize_change(
                colours[plane, rows],
                normalized_change[plane, rows],
                None if kept is None else kept[rows],
            )
            if job.lines:
                raw_change += colours[plane, rows] - exact[..., :3]
            if hot is not None:
                where = hot[plane, rows]
                if not job.lines:
                    filled = colours[plane, rows][where].astype(exact_type)
                    raw_change[where] += filled - exact[..., :3][where]
                raw_change[where] *= job.hot_pixels == "replace"
            raw_change *= strength
            if missing is not None:
                raw_change[missing[plane, rows]] = 0
            with np.errstate(over="ignore", invalid="ignore"):
                exact[..., :3] += raw_change
            _keep_finite(exact, values[plane, rows])
            result[plane, rows] = cast(exact, job.dtype)
            if has_long_integers:
                is_same = exact == values[plane, rows].astype(exact_type)
                np.copyto(result[plane, rows], values[plane, rows], where=is_same)
    return result.reshape([part.stop - part.start for part in region])


def _inside(prediction: Prediction) -> tuple[slice, slice]:
    """Return the rows and columns of the region within what was read."""
    y, x = prediction.region[len(prediction.job.stack.leading_shape) :][:2]
    window = prediction.given.window
    return (
        slice(y.start - window.y, y.stop - window.y),
        slice(x.start - window.x, x.stop - window.x),
    )


def _keep_finite(result: np.ndarray, values: np.ndarray) -> None:
    """Undo, in place, changes that made a finite value infinite or NaN."""
    broken = ~np.isfinite(result)
    if broken.any():
        broken &= np.isfinite(values)
        result[broken] = values[broken]
