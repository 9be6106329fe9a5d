"""Runs over many regions, and the functions of the public API."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import ClipDenoiseError, InputError, OutputError
from napari_clip_denoise.images.grid import Region, split
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity
from napari_clip_denoise.images.source import Stack, as_stack, open_stack
from napari_clip_denoise.images.writers import Writer, create_writer
from napari_clip_denoise.inference.job import Job, prepare
from napari_clip_denoise.inference.lazy import denoise_lazily, is_dask
from napari_clip_denoise.inference.progress import CancelToken, Progress, ProgressCounter
from napari_clip_denoise.inference.region import Box, denoise_box, read_box
from napari_clip_denoise.inference.settings import DenoiseSettings, make_settings
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.registry import load

READ_AHEAD = 3
WRITE_BEHIND = 2

Report = Callable[[Progress], None]


def denoise(
    array: Any,
    model: str | Path | Model = "compact",
    axes: str | None = None,
    intensity: Intensity = DEFAULT_INTENSITY,
    output_dtype: str | None = None,
    device: str = "auto",
    strength: float = 1.0,
    *,
    rgb: bool = False,
    precision: str = "auto",
    tile: int | None = None,
    batch: int | None = None,
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
        Name in the registry, model file, or a loaded model.
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
    precision : str
        ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    tile : int, optional
        Side of the tiles of a large plane, a multiple of 16.
    batch : int, optional
        Tiles or planes in one call of the network.
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
    settings = _settings(model, intensity, output_dtype, device, strength, precision, tile, batch)
    stack = as_stack(array, axes, rgb=rgb)
    loaded = _loaded(model)
    if is_dask(stack.array):
        return denoise_lazily(stack, loaded, settings)
    job = prepare(stack, loaded, settings)
    result = np.empty(stack.shape, job.dtype)
    run(
        job,
        split(stack.shape, stack.whole_planes()),
        result.__setitem__,
        progress=progress,
        cancel=cancel,
    )
    return result


def denoise_to_zarr(
    source: Any,
    store: str | Path,
    model: str | Path | Model = "compact",
    axes: str | None = None,
    intensity: Intensity = DEFAULT_INTENSITY,
    output_dtype: str | None = None,
    device: str = "auto",
    strength: float = 1.0,
    *,
    rgb: bool = False,
    precision: str = "auto",
    tile: int | None = None,
    batch: int | None = None,
    overwrite: bool = False,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
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
    model, axes, intensity, output_dtype, device, strength, rgb, precision, tile, batch :
        See `denoise`.
    progress, cancel :
        See `denoise`; a cancelled run leaves nothing behind.

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
    settings = _settings(model, intensity, output_dtype, device, strength, precision, tile, batch)
    stack = source if isinstance(source, Stack) else None
    if stack is None:
        is_path = isinstance(source, (str, Path))
        stack = open_stack(source, axes) if is_path else as_stack(source, axes, rgb=rgb)
    return denoise_to_file(
        stack,
        store,
        settings,
        model=_loaded(model),
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
    progress: Report | None = None,
    cancel: CancelToken | None = None,
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
    overwrite, progress, cancel :
        See `denoise_to_zarr`.
    """
    job = prepare(stack, model or load(settings.model), settings)
    writer = create_writer(
        path, stack, job.dtype, overwrite=overwrite, attributes=provenance(job, settings)
    )
    return run_to_writer(job, writer, progress=progress, cancel=cancel)


def run_to_writer(
    job: Job,
    writer: Writer,
    *,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Run a whole job into a writer; on any failure the writer is aborted."""
    try:
        regions = split(job.stack.shape, writer.region_shape)
        run(job, regions, writer.write, progress=progress, cancel=cancel)
        return writer.finish()
    except OSError as error:
        writer.abort()
        if isinstance(error, ClipDenoiseError):
            raise
        raise OutputError(
            f"{writer.path} could not be written: {error.strerror or error}; make room or choose "
            "another place and run it again."
        ) from error
    except BaseException:
        writer.abort()
        raise


def run(
    job: Job,
    regions: Iterable[Region],
    write: Callable[[Region, np.ndarray], object],
    *,
    progress: Report | None = None,
    cancel: CancelToken | None = None,
    total_planes: int | None = None,
) -> None:
    """Denoise regions one after the other while others are read and written.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    regions : iterable of tuple of slice
        What to denoise.
    write : callable
        Gets each region and its result, from several threads.
    progress, cancel :
        See `denoise`.
    total_planes : int, optional
        Planes that make up the whole for `progress`; by default those of the source.
    """
    counter = ProgressCounter(total_planes or job.stack.n_planes, progress)
    todo = iter(regions)
    reads: deque[tuple[Region, Future[Box]]] = deque()
    writes: deque[Future[object]] = deque()
    with ThreadPoolExecutor(READ_AHEAD) as readers, ThreadPoolExecutor(WRITE_BEHIND) as writers:

        def read_next() -> None:
            if (region := next(todo, None)) is not None:
                reads.append((region, readers.submit(read_box, job, region)))

        try:
            for _ in range(READ_AHEAD):
                read_next()
            while reads:
                region, future = reads.popleft()
                box = future.result()
                read_next()
                block = denoise_box(job, region, box, cancel=cancel, advance=counter.advance)
                writes.append(writers.submit(write, region, block))
                if len(writes) > WRITE_BEHIND:
                    writes.popleft().result()
            for pending in writes:
                pending.result()
        finally:
            for _, future in reads:
                future.cancel()


def provenance(job: Job, settings: DenoiseSettings) -> dict[str, Any]:
    """Describe how a result was made, as plain values for JSON."""
    model = job.runner.model
    return {
        "software": f"napari-clip-denoise {version('napari-clip-denoise')}",
        "source": job.stack.origin,
        "model": model.card.name,
        "model_sha256": model.sha256,
        "settings": settings.model_dump(mode="json"),
        "intensity_mapping": [asdict(channel) for channel in job.mapping.channels],
        "device": str(job.runner.device),
        "precision": str(job.runner.precision).removeprefix("torch."),
    }


def _settings(
    model: str | Path | Model,
    intensity: Intensity,
    output_dtype: str | None,
    device: str,
    strength: float,
    precision: str,
    tile: int | None,
    batch: int | None,
) -> DenoiseSettings:
    return make_settings(
        model=model.card.name if isinstance(model, Model) else str(model),
        intensity=intensity,
        output_dtype=output_dtype,
        device=device,
        strength=strength,
        precision=precision,
        tile=tile,
        batch=batch,
    )


def _loaded(model: str | Path | Model) -> Model:
    return model if isinstance(model, Model) else load(model)
