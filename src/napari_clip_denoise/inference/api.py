"""Functions of the public API."""

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
        nD image: NumPy, dask, zarr, or anything that slices like them.
    model : str, Path or Model
        Name in the registry, model file, or a loaded model; ``"auto"`` is ``compact-rgb`` for
        RGB images and ``compact`` for all others.
    axes : str, optional
        One letter per dimension, such as ``"zyx"``, ``"yxc"`` or ``"yxs"``. ``y`` and ``x``
        span a plane, ``s`` holds RGB samples, and ``c`` channels, each of which gets its own
        intensity mapping. By default, the last two axes are YX.
    intensity : str or (float, float)
        Mapping of raw values to the network's scale: ``"anscombe"`` (percentiles, after
        stabilising the shot noise if there is any), ``"percentile"``, ``"minmax"``, ``"dtype"``,
        ``"window"`` (CT), or the raw values (low, high) that become 0 and 1; ``(0.0, 1.0)``
        passes the values to the network unchanged. All planes of a channel get the same mapping.
    output_dtype : str, optional
        Type of the result, rounded and clipped to fit; by default that of the input.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    strength : float
        Amount of denoising, from 0 (the input) to 1 (fully denoised).
    rgb : bool
        Whether the last axis holds RGB samples; only used if `axes` is not given.
    self_ensemble : bool
        Whether to average the network's results for eight rotated and mirrored copies of each
        plane, which is slightly better and takes eight times as long.
    precision : str
        Precision of the convolutions: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    tile : int, optional
        Side of the tiles of a large plane in pixels, a multiple of 16.
    batch : int, optional
        Number of tiles or planes per call of the network.
    threads : int, optional
        Number of CPU threads of the network; the last bits of float32 results depend on it.
    progress : callable, optional
        Called with a `Progress` after each batch; not used for dask arrays.
    cancel : CancelToken, optional
        Stops the run when cancelled; not used for dask arrays.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        The denoised image, of the same shape: a lazy dask array for a dask array, otherwise a
        NumPy array. NaN and infinities are kept; constant planes are unchanged.

    Raises
    ------
    InputError, ModelError, DeviceError
        If the run is not possible; the message says in one sentence what is wrong and what to do.
    Cancelled
        If `cancel` was cancelled.

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
    if is_dask(array.array if isinstance(array, Stack) else array):
        from napari_clip_denoise.inference.dask_array import denoise_lazily

        return stack.in_source_order(denoise_lazily(stack, loaded, settings))
    job = prepare(stack, loaded, settings)
    writer = MemoryWriter(stack, job.dtype)
    run_to_writer(job, writer, progress=progress, cancel=cancel)
    return stack.in_source_order(writer.array)


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
        File or store that `open_stack` can read, or an array.
    store : str or Path
        New OME-Zarr 0.5 store, ending in ``.zarr``. It appears under this name only once it is
        complete.
    overwrite : bool
        Whether to replace an existing store.
    model, axes, rgb :
        See `denoise`.
    progress, cancel :
        See `denoise`. A cancelled run leaves nothing behind; a run that failed or was killed is
        resumed by repeating the call.
    **settings
        `intensity`, `output_dtype`, `device`, `strength`, `self_ensemble`, `precision`, `tile`,
        `batch` and `threads`, see `denoise`.

    Returns
    -------
    Path
        Path of the store.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run is not possible; the message says in one sentence what is wrong and what to do.
    Cancelled
        If `cancel` was cancelled.
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
    """Denoise a stack into a file or store, in the format given by the suffix of its path.

    Parameters
    ----------
    stack : Stack
        The source.
    path : str or Path
        Output path; the result appears there only once it is complete.
    settings : DenoiseSettings
        Settings of the run.
    model : Model, optional
        Loaded model, used instead of ``settings.model``.
    share : (int, int)
        Only for OME-Zarr: (i, n) denoises part `i` of `n`, counted from 0. The run that finishes
        last completes the store; until then nothing exists under its name.
    ome_version : str
        OME-Zarr version, ``"0.5"`` or ``"0.4"``.
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

    Returns
    -------
    Path
        Path of the result.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run is not possible; the message says in one sentence what is wrong and what to do.
    Cancelled
        If `cancel` was cancelled.
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
    """Create or resume the output of a job.

    Parameters
    ----------
    job : Job
        The job whose result is written.
    settings : DenoiseSettings
        Settings that the job was prepared with, recorded as provenance.
    path, overwrite, share, ome_version :
        See `denoise_to_file`.

    Returns
    -------
    Writer
        Writer of the result.
    """
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
