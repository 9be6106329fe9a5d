"""The functions of the public API."""

import warnings
from pathlib import Path
from typing import Any

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import check_output, create_writer, open_stack
from napari_clip_denoise.formats.base import OmeVersion, Writer
from napari_clip_denoise.formats.memory import MemoryWriter
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity
from napari_clip_denoise.images.stack import Stack, as_stack, is_dask
from napari_clip_denoise.inference.engine.job import Job, prepare
from napari_clip_denoise.inference.pipeline import Report, run_to_writer
from napari_clip_denoise.inference.progress import CancelToken, Notify
from napari_clip_denoise.inference.provenance import CHOSEN, fingerprint, provenance
from napari_clip_denoise.inference.settings import DenoiseSettings, make_settings
from napari_clip_denoise.inference.timing import Profile
from napari_clip_denoise.models.card_view import unsuitable_reason
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.folder import AUTO
from napari_clip_denoise.models.registry import load


def denoise(
    array: Any,
    model: str | Path | Model = AUTO,
    axes: str | None = None,
    intensity: Intensity = DEFAULT_INTENSITY,
    output_dtype: str | None = None,
    device: str = "auto",
    strength: float = 1.0,
    *,
    rgb: bool = False,
    self_ensemble: bool = False,
    precision: str = "auto",
    tile: int | None = None,
    batch: int | None = None,
    threads: int | None = None,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
) -> Any:
    """Denoise an image or a stack, plane by plane.

    Parameters
    ----------
    array : array-like or Stack
        nD image: NumPy, dask, zarr, or anything that slices like them. A dask array gives a
        lazy dask array, all else a NumPy array.
    model : str, Path or Model
        Name in the registry, model file, or a loaded model; ``"auto"`` is ``compact-rgb`` for
        RGB images and ``compact`` for all others.
    axes : str, optional
        One letter a dimension, such as ``"zyx"``, ``"tcyx"`` or ``"yxs"``; ``y`` and ``x``
        span a plane, ``s`` holds RGB samples, ``c`` channels, which get an intensity mapping
        each. Without it, the last two axes are YX.
    intensity : str or (float, float)
        How raw values map to the network's scale: ``"anscombe"`` (percentiles, after the
        shot noise is stabilised, where there is some), ``"percentile"``, ``"minmax"``,
        ``"dtype"``, ``"window"`` (CT), or the raw values (low, high) that become 0 and 1;
        ``(0.0, 1.0)`` feeds values as they are. The same for a whole channel.
    output_dtype : str, optional
        Type of the result; by default that of the input, rounded and clipped.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    strength : float
        From 0 (the input) to 1 (fully denoised).
    rgb : bool
        Whether the last axis holds RGB samples, where `axes` is not given.
    self_ensemble : bool
        Whether to average what the network makes of eight turned and mirrored copies of each
        plane: a little better, eight times as long.
    precision : str
        ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    tile : int, optional
        Side of the tiles of a large plane, a multiple of 16.
    batch : int, optional
        Tiles or planes in one call of the network.
    threads : int, optional
        Of the network on the CPU; the last bits of float32 depend on it.
    progress : callable, optional
        Gets a `Progress` after each batch; not used for dask.
    cancel : CancelToken, optional
        Stops the run; not used for dask.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        Same shape. NaN and infinities stay where they are; constant planes are unchanged.

    Raises
    ------
    InputError, ModelError, DeviceError
        With one sentence on what is wrong and what to do.
    Cancelled
        If `cancel` says so.

    References
    ----------
    Cheng, Liang, Tan, "Transfer CLIP for Generalizable Image Denoising", CVPR 2024.
    """
    settings = make_settings(
        model=_name(model),
        intensity=intensity,
        output_dtype=output_dtype,
        device=device,
        strength=strength,
        self_ensemble=self_ensemble,
        precision=precision,
        tile=tile,
        batch=batch,
        threads=threads,
    )
    stack = as_stack(array, axes, rgb=rgb)
    loaded = _loaded(model, stack)
    _advise(stack, loaded)
    if is_dask(stack.array):
        from napari_clip_denoise.inference.dask_array import denoise_lazily

        return denoise_lazily(stack, loaded, settings)
    job = prepare(stack, loaded, settings)
    writer = MemoryWriter(stack, job.dtype)
    run_to_writer(job, writer, progress=progress, cancel=cancel)
    return writer.array


def denoise_to_zarr(
    source: Any,
    store: str | Path,
    model: str | Path | Model = AUTO,
    axes: str | None = None,
    *,
    rgb: bool = False,
    overwrite: bool = False,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
    **settings: Any,
) -> Path:
    """Denoise a stack of any size into an OME-Zarr store.

    Parameters
    ----------
    source : str, Path, array-like or Stack
        A file or store that `open_stack` reads, or an array.
    store : str or Path
        New OME-Zarr 0.5 store, ending in ``.zarr``. It appears under this name only when it
        is whole.
    overwrite : bool
        Whether to replace a store that is there.
    model, axes, rgb :
        See `denoise`.
    progress, cancel :
        See `denoise`; a cancelled run leaves nothing behind. One that was killed or failed is
        resumed by the same call.
    **settings
        `intensity`, `output_dtype`, `device`, `strength`, `self_ensemble`, `precision`, `tile`,
        `batch` and `threads`, see `denoise`.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        With one sentence on what is wrong and what to do.
    Cancelled
        If `cancel` says so.
    """
    store = Path(store)
    if store.suffix != ".zarr":
        raise InputError(f"The store {store} should end in .zarr, such as {store.stem}.ome.zarr.")
    chosen = make_settings(model=_name(model), **settings)
    stack = source if isinstance(source, Stack) else None
    if stack is None:
        is_path = isinstance(source, (str, Path))
        stack = open_stack(source, axes) if is_path else as_stack(source, axes, rgb=rgb)
    return denoise_to_file(
        stack,
        store,
        chosen,
        model=_loaded(model, stack),
        overwrite=overwrite,
        progress=progress,
        cancel=cancel,
    )


def denoise_to_file(
    stack: Stack,
    path: str | Path,
    settings: DenoiseSettings,
    *,
    model: Model | None = None,
    overwrite: bool = False,
    share: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    progress: Report | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
    profile: Profile | None = None,
    client: Any = None,
) -> Path:
    """Denoise a stack into a file or store of any supported format, told by its suffix.

    Parameters
    ----------
    stack : Stack
        The source.
    path : str or Path
        Where the result goes; it appears there only when it is whole.
    settings : DenoiseSettings
        See there.
    model : Model, optional
        Used instead of looking up ``settings.model``.
    share : (int, int)
        For OME-Zarr: do part `i` of `n` only, counted from 0. The run that ends last makes the
        store whole; before, there is nothing under its name.
    ome_version : str
        ``"0.5"`` or ``"0.4"``.
    overwrite, progress, cancel :
        See `denoise_to_zarr`.
    notify : callable, optional
        Told in a sentence what else there is to know; by default it is a warning. A cluster
        keeps to itself what happens there.
    profile :
        See `napari_clip_denoise.inference.pipeline.run`; not used on a cluster.
    client : distributed.Client, optional
        Let the workers of a dask cluster do it; they reach source, model and store under the
        same paths.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        With one sentence on what is wrong and what to do.
    Cancelled
        If `cancel` says so.
    """
    check_output(
        Path(path),
        stack,
        overwrite=overwrite,
        share=share,
        ome_version=ome_version,
        by_workers=client is not None,
    )
    model = model or _loaded(settings.model, stack)
    _advise(stack, model, notify)
    job = prepare(stack, model, settings)
    writer = open_writer(
        job, settings, path, overwrite=overwrite, share=share, ome_version=ome_version
    )
    if client is not None:
        from napari_clip_denoise.inference.distributed import run_on_cluster

        run_on_cluster(job, settings, writer, client, progress=progress, cancel=cancel)
    else:
        run_to_writer(job, writer, progress=progress, cancel=cancel, notify=notify, profile=profile)
    return Path(path)


def open_writer(
    job: Job,
    settings: DenoiseSettings,
    path: str | Path,
    *,
    overwrite: bool = False,
    share: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
) -> Writer:
    """Begin, or resume, the output of a job; see `denoise_to_file`."""
    is_store = Path(path).suffix.lower() == ".zarr"
    return create_writer(
        path,
        job.stack,
        job.dtype,
        overwrite=overwrite,
        attributes=provenance(job, settings),
        fingerprint=fingerprint(job) if is_store else None,
        inherit=tuple(name for name in CHOSEN if getattr(settings, name) is None),
        share=share,
        ome_version=ome_version,
    )


def _name(model: str | Path | Model) -> str:
    return model.card.name if isinstance(model, Model) else str(model)


def _loaded(model: str | Path | Model, stack: Stack) -> Model:
    return model if isinstance(model, Model) else load(model, rgb=stack.is_rgb)


def _advise(stack: Stack, model: Model, notify: Notify | None = None) -> None:
    if words := unsuitable_reason(model.card, rgb=stack.is_rgb):
        (notify or warnings.warn)(words)
