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
    TileOption,
    run_settings,
)


def plan(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="As for denoise.")],
    output: Annotated[Path, typer.Argument(help="Where the result would go.")],
    model: ModelOption = "compact",
    axes: Annotated[str | None, typer.Option(help="One letter a dimension.")] = None,
    preset: PresetOption = "general",
    intensity: IntensityOption = None,
    dtype: Annotated[str | None, typer.Option(help="Type of the result.")] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    tile: TileOption = None,
    batch: BatchOption = None,
    clip_weights: ClipWeightsOption = None,
) -> None:
    """Tell what a run of denoise would take, from timing a few tiles; nothing is written."""
    from napari_clip_denoise.images.source import open_stack
    from napari_clip_denoise.inference.plan import make_plan
    from napari_clip_denoise.models.registry import load
    from napari_clip_denoise.text import format_seconds

    settings = run_settings(
        preset,
        intensity,
        model=model,
        output_dtype=dtype,
        device=device,
        precision=precision,
        tile=tile,
        batch=batch,
    )
    stack = open_stack(source, axes)
    found = make_plan(stack, output, settings, load(settings.model, clip_weights=clip_weights))
    gib = 2**30
    shape = " x ".join(map(str, stack.shape))
    print(f"input   {shape} ({stack.axes}), planes: {found.planes}, regions: {found.regions}")
    print(f"tiles   {found.tiles_a_plane} a plane, {found.tile} pixels, {found.batch} at a time")
    print(f"memory  {found.host_bytes / gib:.1f} GiB of {found.host_free / gib:.1f} GiB free")
    if found.device_bytes is not None and found.device_free is not None:
        free = found.device_free / gib
        print(
            f"device  {found.device_bytes / gib:.1f} GiB of {free:.1f} GiB free on {found.device}"
        )
    print(f"disk    about {found.disk_bytes / gib:.1f} GiB of {found.disk_free / gib:.1f} GiB free")
    print(f"time    about {format_seconds(found.seconds)} on {found.device}")
    found.check()
