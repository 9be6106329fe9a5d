"""Plates in the public API."""

from functools import cache, partial
from pathlib import Path
from typing import Any

from napari_clip_denoise.errors import InputError, door
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.formats.detect import shown_place
from napari_clip_denoise.formats.ome_zarr.plates.collection import open_collection
from napari_clip_denoise.inference.pipeline import OnProgress
from napari_clip_denoise.inference.plates.check import Measure, check_suffix
from napari_clip_denoise.inference.plates.run import LoadModel, PlateResult, denoise_collection
from napari_clip_denoise.inference.progress import CancelToken, Notify
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.folder import AUTO
from napari_clip_denoise.models.registry import load


@door
def denoise_plate(
    source: str | Path,
    store: str | Path,
    model: str | Path | Model = AUTO,
    axes: str | None = None,
    *,
    measure: Measure | None = None,
    labels: bool = True,
    skip_missing: bool = False,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion | None = None,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
    **settings: Any,
) -> PlateResult:
    """Denoise all fields of a plate, or all images of a bioformats2raw store, into a new one.

    Parameters
    ----------
    source : str or Path
        OME-Zarr plate (0.4 or 0.5), or a store of several images: a path, or a URL.
    store : str or Path
        Path or URL of the result, ending in ``.zarr``. It has the same rows, columns, wells,
        acquisitions and names.
    model, axes :
        See `denoise`.
    measure : {"plate", "field"}, optional
        Whether the intensity mapping and the noise level are measured once for all fields, so that
        all are treated alike and wells compare, or for each field by itself. By default, the former
        for a plate, and the latter for other stores, whose images may have nothing in common.
    labels : bool
        Whether to copy labels and tables as they are. If the result gets another OME-Zarr version,
        they are left out, with a notice.
    skip_missing : bool
        Whether to leave out wells and fields that are listed but not there, instead of refusing.
    overwrite : bool
        Whether to replace an existing store, or an unfinished one with other settings.
    shard : (int, int)
        ``(i, n)``: denoise part `i` of `n` of the wells, counted from 0. The last part to finish
        completes the store.
    ome_version : {"0.5", "0.4"}, optional
        OME-Zarr version of the result; by default that of the source.
    progress, cancel :
        See `denoise`. What is finished is kept, also of a cancelled run, and repeating the call
        goes on from there.
    notify : callable, optional
        Called with a sentence for each kind of notice; by default a warning is issued.
    **settings
        See `denoise_to_zarr`.

    Returns
    -------
    PlateResult
        Path of the store, whether it is complete, and the verdict on its fields.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run is not possible; the message says in one sentence what is wrong and what to do.
    Cancelled
        If `cancel` was cancelled.
    """
    check_suffix(store)
    if measure not in (None, "plate", "field"):
        raise InputError(f"There is no measure '{measure}'; give plate or field.")
    name = model.card.name if isinstance(model, Model) else str(model)
    chosen = make_settings(model=name, **settings)
    collection = open_collection(source)
    if collection is None:
        raise InputError(
            f"{shown_place(source)} is neither a plate nor a store of several images; denoise it "
            "with denoise_to_zarr."
        )
    return denoise_collection(
        collection,
        store,
        chosen,
        (lambda rgb: model) if isinstance(model, Model) else model_loader(name),
        axes=axes,
        measure=measure,
        labels=labels,
        skip_missing=skip_missing,
        overwrite=overwrite,
        shard=shard,
        ome_version=ome_version,
        progress=progress,
        cancel=cancel,
        notify=notify,
    )


def model_loader(name: str, clip_weights: str | Path | None = None) -> LoadModel:
    """Return a function that loads the model for RGB or for other images, each once."""
    return cache(partial(_load, name, clip_weights))


def _load(name: str, clip_weights: str | Path | None, rgb: bool) -> Model:
    return load(name, rgb=rgb, clip_weights=clip_weights)
