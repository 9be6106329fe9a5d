"""Runs: a stack denoised into memory, or into a file or store."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import door
from napari_clip_denoise.formats import check_output, lost_metadata
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.formats.detect import as_place, as_url, shown_place
from napari_clip_denoise.formats.memory import MemoryWriter
from napari_clip_denoise.images.channel_sample import ChannelSample
from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.job import Job, prepare
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.pipeline import OnProgress, run_to_writer
from napari_clip_denoise.inference.progress import (
    CancelToken,
    Notify,
    verification_reporter,
)
from napari_clip_denoise.inference.provenance import open_writer, provenance
from napari_clip_denoise.inference.result_check import OnChecked, ResultCheck
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.inference.timing import Profile
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.card_view import unsuitable_reason
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.registry import load

OnStart = Callable[[Any, dict[str, Any]], object]
MOST_CLIPPED = 0.5
"""Per cent of an image's values that may be clipped at each end without a notice."""


def denoise_to_memory(
    stack: Stack,
    settings: DenoiseSettings,
    *,
    model: Model | None = None,
    region: Region | None = None,
    on_start: OnStart | None = None,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
    on_checked: OnChecked | None = None,
) -> np.ndarray:
    """Denoise a stack, or a part of it, into an array in memory.

    Parameters
    ----------
    stack : Stack
        The source.
    settings : DenoiseSettings
        Settings of the run.
    model : Model, optional
        Loaded model, used instead of ``settings.model``.
    region : tuple of slice, optional
        Part to denoise, one slice per axis; by default the whole stack.
    on_start : callable, optional
        Called before the first region with the array of the result, which fills up during the run,
        and with a record of how it is made.
    progress, cancel, notify, on_checked :
        See `denoise_to_file`.

    Returns
    -------
    numpy.ndarray
        The denoised region.

    Raises
    ------
    InputError, ModelError, DeviceError
        If the run is not possible.
    Cancelled
        If `cancel` was cancelled.
    """
    model = model or loaded_model(settings.model, stack)
    warn_if_unsuitable(stack, model, notify)
    job = prepare(stack, model, settings)
    warn_of_result(job, notify)
    writer = MemoryWriter(stack, job.dtype, region)
    if on_start is not None:
        on_start(writer.array, provenance(job, settings))
    check = None
    if settings.check:
        check = ResultCheck(job, writer, part=region, on_checked=on_checked)
    run_to_writer(job, writer, progress=progress, cancel=cancel, notify=notify, check=check)
    return writer.array


@door
def denoise_to_file(
    stack: Stack,
    path: str | Path,
    settings: DenoiseSettings,
    *,
    model: Model | None = None,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    on_start: OnStart | None = None,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
    profile: Profile | None = None,
    client: Any = None,
    on_checked: OnChecked | None = None,
) -> Path | str:
    """Denoise a stack into a file or store, in the format given by the suffix of its path.

    Parameters
    ----------
    stack : Stack
        The source.
    path : str or Path
        Output path, or URL of an OME-Zarr; the result appears there only once it is complete.
    settings : DenoiseSettings
        Settings of the run.
    model : Model, optional
        Loaded model, used instead of ``settings.model``.
    shard : (int, int)
        Only for OME-Zarr: (i, n) denoises part `i` of `n`, counted from 0. The run that finishes
        last completes the store; until then nothing exists under its name.
    ome_version : str
        OME-Zarr version, ``"0.5"`` or ``"0.4"``.
    on_start : callable, optional
        Called before the first region with the array of the result, if it can be read while it is
        written, and with a record of how it is made.
    overwrite, progress, cancel :
        See `denoise_to_zarr`.
    notify : callable, optional
        Called with a sentence for each notice to the user; by default a warning is issued. Notices
        from the workers of a cluster are not passed on.
    profile : Profile, optional
        See `napari_clip_denoise.inference.pipeline.run`; not used on a cluster.
    client : distributed.Client, optional
        Client of a dask cluster whose workers do the computation; they must reach the source, the
        model and the store under the same paths.
    on_checked : callable, optional
        Called with a `RunVerdict` once the result was checked, unless ``settings.check`` is False;
        by default a warning is issued if something other than noise was removed. Of a divided run,
        the part that completes the store checks it.

    Returns
    -------
    Path or str
        Path of the result, or its URL without credentials.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run is not possible; the message says in one sentence what is wrong and what to do.
    Cancelled
        If `cancel` was cancelled.
    """
    check_output(
        as_place(path),
        stack,
        result_dtype(stack, settings.output_dtype),
        overwrite=overwrite,
        shard=shard,
        ome_version=ome_version,
        by_workers=client is not None,
    )
    if lost := lost_metadata(as_place(path), stack):
        (notify or warnings.warn)(lost)
    model = model or loaded_model(settings.model, stack)
    warn_if_unsuitable(stack, model, notify)
    job = prepare(stack, model, settings)
    warn_of_result(job, notify)
    writer = open_writer(
        job,
        settings,
        path,
        overwrite=overwrite,
        shard=shard,
        ome_version=ome_version,
        on_verified=verification_reporter(progress, cancel),
    )
    if on_start is not None:
        on_start(writer.array, provenance(job, settings))
    check = ResultCheck(job, writer, on_checked=on_checked) if settings.check else None
    if client is not None:
        from napari_clip_denoise.inference.distributed import run_on_cluster

        run_on_cluster(job, settings, writer, client, progress=progress, cancel=cancel, check=check)
    else:
        run_to_writer(
            job,
            writer,
            progress=progress,
            cancel=cancel,
            notify=notify,
            profile=profile,
            check=check,
        )
    return shown_place(path) if as_url(path) else Path(path)


def loaded_model(model: str | Path | Model, stack: Stack) -> Model:
    """Return a loaded model, or load the one that a setting names."""
    return model if isinstance(model, Model) else load(model, rgb=stack.is_rgb)


def warn_if_unsuitable(stack: Stack, model: Model, notify: Notify | None = None) -> None:
    """Tell the user if a model does not suit the image.

    Parameters
    ----------
    stack : Stack
        Image to be denoised.
    model : Model
        Model to denoise it with.
    notify : callable, optional
        Receives the sentence; by default, it is a warning.
    """
    if words := unsuitable_reason(model.card, rgb=stack.is_rgb):
        (notify or warnings.warn)(words)


def warn_of_result(job: Job, notify: Notify | None = None) -> None:
    """Tell the user if values are rounded or clipped, or tiles are not exact."""
    warn_if_rounded(job, notify)
    warn_if_alone(job, notify)
    warn_if_clipped(job.stack, job.runner.card, job.mapping, notify)
    if job.runner.card.network.align_corners and len(job.rows) * len(job.columns) > 1:
        (notify or warnings.warn)(
            f"The planes are cut into tiles, and with '{job.runner.card.name}' the result of a "
            f"tile depends on its size{_advice(job)}."
        )


def _advice(job: Job) -> str:
    is_fixed = any(sizes.most for sizes in job.runner.card.input_sizes)
    return "" if is_fixed else "; give a tile that holds a plane, if it fits into memory"


def warn_if_clipped(
    stack: Stack, card: ModelCard, mapping: IntensityMapping, notify: Notify | None = None
) -> None:
    """Tell the user if a model that clips values does so to more than a few of an image's.

    Parameters
    ----------
    stack : Stack
        Image to be denoised, of which a bounded sample is read.
    card : ModelCard
        Card of the model.
    mapping : IntensityMapping
        Mapping of the image's values to the network's scale.
    notify : callable, optional
        Receives the sentence; by default, it is a warning.
    """
    if not card.clip_input:
        return
    channels = range(stack.shape[stack.axes.index("c")]) if "c" in stack.axes else (None,)
    for channel in channels:
        ends = mapping.channel(channel or 0)
        low, high = ChannelSample(stack, channel).percentiles(MOST_CLIPPED, 100 - MOST_CLIPPED)
        if ends.low < ends.high and (low < ends.low or high > ends.high):
            (notify or warnings.warn)(
                f"'{card.name}' clips values to the range from {ends.low:g} to {ends.high:g}, and "
                "many values of this image lie outside; unless that is noise, choose another "
                "intensity mapping, such as minmax."
            )
            return


def warn_if_rounded(job: Job, notify: Notify | None = None) -> None:
    """Tell the user if whole numbers cannot hold a result of a few photons a pixel."""
    if job.dtype.kind in "ui" and any(channel.keeps_mean for channel in job.mapping.channels):
        (notify or warnings.warn)(
            "The image has only a few counts per pixel, and the result is rounded to whole "
            "numbers; choose float32 as the type of the result to keep its fractions."
        )


def warn_if_alone(job: Job, notify: Notify | None = None) -> None:
    """Tell the user if neighbouring planes are asked for and cannot be used."""
    if not job.context:
        return
    if job.stack.shape[job.context_axis] == 1:
        (notify or warnings.warn)(
            "The image has a single plane, so there are no neighbours to use."
        )
    elif any(channel.noise is None for channel in job.mapping.channels):
        (notify or warnings.warn)(
            "The noise cannot be measured, so neighbouring planes are not used in all channels; "
            "give the noise level as a number to use them."
        )
