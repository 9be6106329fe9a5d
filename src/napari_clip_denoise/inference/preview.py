"""Previews: the visible region, denoised exactly as in a complete run."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.buffers import ArrayCache
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import DenoiseSettings

if TYPE_CHECKING:
    from napari_clip_denoise.inference.engine.job import Job
    from napari_clip_denoise.inference.engine.prediction import Prediction
    from napari_clip_denoise.models.checkpoint import Model

MAX_PIXELS = 2**20


@dataclass(frozen=True, eq=False)
class View:
    """Visible region and the settings to denoise it with.

    Attributes
    ----------
    stack : Stack
        The whole source, which the intensity mapping is estimated from.
    region : tuple of slice
        The visible part.
    settings : DenoiseSettings
        Settings; the strength is not used here.
    is_cropped : bool
        Whether more than `region` was visible.
    """

    stack: Stack
    region: Region
    settings: DenoiseSettings
    is_cropped: bool = False

    def needs_same_work_as(self, other: "View | None") -> bool:
        """Return whether the network would do the same work for another view."""
        return other is not None and self._work() == other._work()

    def _work(self) -> tuple[Any, ...]:
        settings = self.settings.model_copy(update={"strength": 1.0})
        return id(self.stack.array), self.stack.axes, self.region, settings


@dataclass(frozen=True, eq=False)
class Preview:
    """Change that the network makes to a view, before a strength is applied.

    Attributes
    ----------
    view : View
        The view.
    prediction : Prediction
        The network's change.
    seconds : float
        Computing time in seconds.
    how : dict
        Record of how the preview was made, without the strength.
    blended : dict
        Cached pixels of the last requested strength.
    """

    view: View
    prediction: "Prediction"
    seconds: float
    how: dict[str, Any]
    blended: dict[float, np.ndarray] = field(default_factory=dict)

    def provenance(self, strength: float) -> dict[str, Any]:
        """Return a record of how the pixels of a strength are made."""
        return self.how | {"settings": self.how["settings"] | {"strength": strength}}

    def pixels(self, strength: float) -> np.ndarray:
        """Return the region denoised at a strength, without running the network."""
        if strength not in self.blended:
            self.blended.clear()
            self.blended[strength] = self.prediction.result(strength)
        return self.blended[strength]


def central_part(region: Region, n_plane_axes: int, max_pixels: int = MAX_PIXELS) -> Region:
    """Crop a region around its centre to a number of pixels.

    Parameters
    ----------
    region : tuple of slice
        Region within a plane.
    n_plane_axes : int
        3 if the last axis holds RGB samples, else 2.
    max_pixels : int
        Maximum number of pixels to keep. The aspect ratio is kept as far as possible.

    Returns
    -------
    tuple of slice
        The cropped region.
    """
    first = len(region) - n_plane_axes
    rows, columns = region[first : first + 2]
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height * width <= max_pixels:
        return region
    kept_height = max(1, min(max_pixels, int(height * np.sqrt(max_pixels / (height * width)))))
    kept_width = min(width, max_pixels // kept_height)
    parts = list(region)
    parts[first] = _middle(rows, kept_height)
    parts[first + 1] = _middle(columns, kept_width)
    return tuple(parts)


def _middle(part: slice, size: int) -> slice:
    start = part.start + (part.stop - part.start - size) // 2
    return slice(start, start + size)


class PreviewMaker:
    """Maker of previews, which keeps what the next preview needs again."""

    def __init__(self) -> None:
        self._model: tuple[tuple[Path, int], Model] | None = None
        self._measured: tuple[Any, dict[Any, IntensityMapping]] = (None, {})
        self._guides: tuple[Any, ArrayCache] = (None, ArrayCache())

    def __call__(self, view: View, cancel: CancelToken) -> Preview:
        """Make the preview of a view.

        Raises
        ------
        ClipDenoiseError
            If a run with these settings could not start.
        Cancelled
            If `cancel` was cancelled.
        """
        from napari_clip_denoise.inference.engine.region import predict_region
        from napari_clip_denoise.inference.provenance import provenance

        started = perf_counter()
        job = self.job(view)
        cancel.check()
        prediction = predict_region(job, view.region, cancel=cancel)
        how = provenance(job, view.settings)
        preview = Preview(view, prediction, perf_counter() - started, how)
        preview.pixels(view.settings.strength)
        return preview

    def job(self, view: View) -> "Job":
        """Prepare the job of a view, with a single small tile if that gives the same result."""
        from napari_clip_denoise.inference.engine.job import prepare

        model = self._load(view)
        mapping = self._mapping_of(view, model)
        job = prepare(view.stack, model, view.settings, mapping=mapping)
        return fit_tile(replace(job, guides=self._guides_of(view, job)), view.region)

    def _guides_of(self, view: View, job: "Job") -> ArrayCache:
        """Return the guides of earlier views, unless something else would have made others."""
        made_from = view.stack.axes, job.runner, job.mapping, job.destripe
        known = self._guides[0]
        if known is None or known[0] is not view.stack.array or known[1] != made_from:
            self._guides = (view.stack.array, made_from), ArrayCache()
        return self._guides[1]

    def _load(self, view: View) -> "Model":
        from napari_clip_denoise.models.registry import find, load

        path = find(view.settings.model, rgb=view.stack.is_rgb)
        key = path, path.stat().st_mtime_ns
        if self._model is None or self._model[0] != key:
            self._model = key, load(path)
        return self._model[1]

    def _mapping_of(self, view: View, model: "Model") -> IntensityMapping:
        from napari_clip_denoise.inference.engine.job import intensity_for, mapping_for

        stack, card, settings = view.stack, model.card, view.settings
        if self._measured[0] is not stack.array:
            self._measured = stack.array, {}
        known = self._measured[1]
        key = intensity_for(card, settings), settings.noise_level, card.network.noise_level
        if key not in known:
            known[key] = mapping_for(stack, card, settings)
        return known[key]


def fit_tile(job: "Job", region: Region) -> "Job":
    """Cover a region with a single tile if the model's tiles give the result of the whole plane.

    A model whose result depends on the tile size, or that takes tiles of one size, keeps the grid
    of a complete run.
    """
    from napari_clip_denoise.inference.engine.neighbours.average import guide_margin
    from napari_clip_denoise.inference.engine.tiling import single

    card = job.runner.card
    if card.network.align_corners or any(sizes.most for sizes in card.input_sizes):
        return job
    n_leading = len(job.stack.leading_shape)
    rows, columns = (
        (single(part, length, card.halo, sizes),)
        for part, length, sizes in zip(
            region[n_leading : n_leading + 2], job.stack.plane_shape, card.input_sizes, strict=True
        )
    )
    if not job.context:
        return replace(job, rows=rows, columns=columns)
    margin = guide_margin(job)
    guide_rows, guide_columns = (
        (
            single(
                slice(max(0, tile.start - margin), min(tile.stop + margin, length)),
                length,
                card.halo,
                sizes,
            ),
        )
        for (tile,), length, sizes in zip(
            (rows, columns), job.stack.plane_shape, card.input_sizes, strict=True
        )
    )
    return replace(job, rows=rows, columns=columns, guide_tiles=(guide_rows, guide_columns))
