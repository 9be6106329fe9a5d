"""``clip-denoise plan``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import (
    BatchOption,
    ClipWeightsOption,
    DeviceOption,
    IntensityOption,
    ModelOption,
    PrecisionOption,
    PresetOption,
    SelfEnsembleOption,
    SeriesOption,
    ThreadsOption,
    TileOption,
    run_settings,
)


def plan(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="As for denoise.")],
    output: Annotated[
        Path | None,
        typer.Argument(help="Where the result would go; by default an OME-Zarr beside the input."),
    ] = None,
    model: ModelOption = "auto",
    axes: Annotated[str | None, typer.Option(help="One letter a dimension.")] = None,
    series: SeriesOption = None,
    preset: PresetOption = "general",
    intensity: IntensityOption = None,
    dtype: Annotated[str | None, typer.Option(help="Type of the result.")] = None,
    self_ensemble: SelfEnsembleOption = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    tile: TileOption = None,
    batch: BatchOption = None,
    threads: ThreadsOption = None,
    clip_weights: ClipWeightsOption = None,
) -> None:
    """Estimate time, memory and disk space of a run by timing a few tiles; nothing is written."""
    import sys

    from napari_clip_denoise.formats import open_stack
    from napari_clip_denoise.inference.check import check_run

    settings = run_settings(
        preset,
        intensity,
        model=model,
        self_ensemble=self_ensemble,
        output_dtype=dtype,
        device=device,
        precision=precision,
        tile=tile,
        batch=batch,
        threads=threads,
    )
    stack = open_stack(source, axes, series)
    path = output or source.absolute().with_name(f"{stack.name}-denoised.ome.zarr")
    check_run(stack, path, settings, overwrite=True)

    from napari_clip_denoise.formatting import format_seconds
    from napari_clip_denoise.inference.estimate import make_plan
    from napari_clip_denoise.models.card_view import unsuitable_reason
    from napari_clip_denoise.models.registry import load

    loaded = load(settings.model, rgb=stack.is_rgb, clip_weights=clip_weights)
    if words := unsuitable_reason(loaded.card, rgb=stack.is_rgb):
        print(words, file=sys.stderr)
    found = make_plan(stack, path, settings, loaded)
    shape = " x ".join(map(str, stack.shape))
    print(f"input   {shape} ({stack.axes}), planes: {found.planes}, regions: {found.regions}")
    print(f"output  {path}" + ("" if output else ", since none was given"))
    print(f"tiles   {found.tiles_a_plane} a plane, {found.tile} pixels, {found.batch} at a time")
    print(f"memory  {_share(found.host_bytes, found.host_free)}")
    if found.device_bytes is not None and found.device_free is not None:
        print(f"device  {_share(found.device_bytes, found.device_free)} on {found.device}")
    print(f"disk    about {_share(found.disk_bytes, found.disk_free)}")
    print(f"time    about {format_seconds(found.seconds)} on {found.device}")
    found.check()


def _share(needed: int, free: int) -> str:
    from napari_clip_denoise.formatting import format_bytes

    return f"{format_bytes(needed)} of {format_bytes(free)} free"
