"""Checks of a run before anything slow is loaded."""

from pathlib import Path

from napari_clip_denoise.formats import check_output
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.registry import find


def check_run(
    stack: Stack,
    path: Path | str,
    settings: DenoiseSettings,
    *,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    by_workers: bool = False,
) -> None:
    """Raise an error if a run cannot start, without loading torch or writing anything.

    Parameters
    ----------
    stack, settings :
        See `napari_clip_denoise.inference.runs.denoise_to_file`.
    path, overwrite, shard, ome_version, by_workers :
        See `napari_clip_denoise.formats.check_output`.

    Raises
    ------
    InputError
        If a setting or the output format is not suitable.
    ModelError
        If the model does not exist.
    OutputError
        If the output path cannot be used.
    """
    dtype = result_dtype(stack, settings.output_dtype)
    if settings.context:
        neighbour_axis(stack.axes, settings.context_axis)
    find(settings.model, rgb=stack.is_rgb)
    check_output(
        path,
        stack,
        dtype,
        overwrite=overwrite,
        shard=shard,
        ome_version=ome_version,
        by_workers=by_workers,
    )
