"""Functions of the public API."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError, door
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity, NoiseLevel
from napari_clip_denoise.images.lines import Destripe
from napari_clip_denoise.images.stack import Stack, as_stack, is_dask
from napari_clip_denoise.inference.engine.values import cast, fill_missing
from napari_clip_denoise.inference.pipeline import OnProgress
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.runs import (
    denoise_to_file,
    denoise_to_memory,
    loaded_model,
    warn_if_unsuitable,
)
from napari_clip_denoise.inference.settings import HotPixels, make_settings
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.folder import AUTO


@door
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
    noise_level: NoiseLevel = "auto",
    hot_pixels: HotPixels = "keep",
    destripe: Destripe = "off",
    context: int = 0,
    context_axis: str | None = None,
    context_align: bool = False,
    self_ensemble: bool = False,
    precision: str = "auto",
    tile: int | None = None,
    batch: int | None = None,
    threads: int | None = None,
    check: bool = True,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
) -> Any:
    """Denoise an image or a stack, plane by plane.

    Parameters
    ----------
    array : array-like or Stack
        nD image: NumPy (also masked), dask or zarr array, torch tensor, xarray DataArray, or
        anything that slices like them. Masked pixels are treated as missing.
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
        With a checkpoint of the paper's authors, which clips values, the default is the mapping on
        its card.
    output_dtype : str, optional
        Type of the result, rounded and clipped to fit; by default that of the input.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    strength : float
        Amount of denoising, from 0 (the input) to 1 (fully denoised).
    rgb : bool
        Whether the last axis holds RGB samples; only used if `axes` is not given.
    noise_level : str or float
        For models that are told the noise level: ``"auto"`` measures it, a number is its standard
        deviation in raw units, and ``"blind"`` lets the network guess.
    hot_pixels : str
        ``"keep"`` leaves isolated pixels far outside the usual range as they are, ``"replace"``
        denoises them from their neighbours; the network never sees them.
    destripe : str
        Whether to remove offsets of whole ``"rows"`` or ``"columns"``, as of a scanner or camera,
        before the network sees a plane; ``"off"`` does not.
    context : int
        For models that are told the noise level: number of planes before and after each plane, up
        to 5, that are averaged with it where they agree, before the mean is denoised.
    context_axis : str, optional
        Axis of these planes, such as ``"z"`` or ``"t"``; by default the last one before the plane.
    context_align : bool
        Whether these planes are first moved to where the plane shows the same structure, by up to
        16 pixels, for images that drift.
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
    check : bool
        Whether to check up to five planes of the result, and to issue a warning if something other
        than noise was removed; not used for dask arrays.
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
        noise_level=noise_level,
        hot_pixels=hot_pixels,
        destripe=destripe,
        strength=strength,
        context=context,
        context_axis=context_axis,
        context_align=context_align,
        self_ensemble=self_ensemble,
        precision=precision,
        tile=tile,
        batch=batch,
        threads=threads,
        check=check,
    )
    mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    stack = as_stack(array if mask is None else array.data, axes, rgb=rgb)
    if mask is not None:
        stack = _without_masked(stack, mask)
    loaded = loaded_model(model, stack)
    if is_dask(array.array if isinstance(array, Stack) else array):
        from napari_clip_denoise.inference.dask_array import denoise_lazily

        warn_if_unsuitable(stack, loaded)
        return stack.in_source_order(denoise_lazily(stack, loaded, settings))
    result = denoise_to_memory(stack, settings, model=loaded, progress=progress, cancel=cancel)
    result = stack.in_source_order(result)
    if mask is None:
        return result
    return np.ma.MaskedArray(np.where(mask, cast(array.data, result.dtype), result), mask)


@door
def denoise_to_zarr(
    source: Any,
    store: str | Path,
    model: str | Path | Model = AUTO,
    axes: str | None = None,
    *,
    rgb: bool = False,
    overwrite: bool = False,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    **settings: Any,
) -> Path | str:
    """Denoise a stack of any size into an OME-Zarr store.

    Parameters
    ----------
    source : str, Path, array-like or Stack
        File or store that `open_stack` can read, or an array.
    store : str or Path
        New OME-Zarr 0.5 store, ending in ``.zarr``: a path, or a URL such as
        ``s3://bucket/a.ome.zarr``. It appears under this name only once it is complete.
    overwrite : bool
        Whether to replace an existing store.
    model, axes, rgb :
        See `denoise`.
    progress, cancel :
        See `denoise`. A cancelled run leaves nothing behind; a run that failed or was killed is
        resumed by repeating the call.
    **settings
        `intensity`, `noise_level`, `hot_pixels`, `destripe`, `output_dtype`, `device`,
        `strength`, `self_ensemble`, `precision`, `tile`, `batch`, `threads` and `check`, see
        `denoise`.

    Returns
    -------
    Path or str
        Path of the store, or its URL without credentials.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run is not possible; the message says in one sentence what is wrong and what to do.
    Cancelled
        If `cancel` was cancelled.
    """
    if Path(store).suffix != ".zarr":
        name = f"{Path(store).stem}.ome.zarr"
        raise InputError(f"The store {store} should end in .zarr, such as {name}.")
    chosen = make_settings(model=_name(model), **settings)
    stack = source if isinstance(source, Stack) else None
    if stack is None:
        is_path = isinstance(source, (str, Path))
        stack = open_stack(source, axes) if is_path else as_stack(source, axes, rgb=rgb)
    return denoise_to_file(
        stack,
        store,
        chosen,
        model=loaded_model(model, stack),
        overwrite=overwrite,
        progress=progress,
        cancel=cancel,
    )


def _name(model: str | Path | Model) -> str:
    return model.card.name if isinstance(model, Model) else str(model)


def _without_masked(stack: Stack, mask: np.ndarray) -> Stack:
    """Fill the masked pixels of a stack in memory from their neighbours."""
    ordered = as_stack(mask.astype(np.uint8), stack.source_axes or stack.axes).array
    n_samples = stack.shape[-1] if stack.is_rgb else 1
    planes = (-1, *stack.plane_shape, n_samples)
    filled = fill_missing(stack.array.reshape(planes), ordered.reshape(planes).astype(bool))
    return replace(stack, array=filled.reshape(stack.shape))
