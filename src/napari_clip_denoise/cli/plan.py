"""``clip-denoise plan``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_clip_denoise.cli.options import Run, with_run_options
from napari_clip_denoise.cli.parts.unused import refuse_unused_weights

if TYPE_CHECKING:
    from napari_clip_denoise.inference.estimate import Plan


@with_run_options
def plan(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="As for denoise.")],
    run: Run,
    output: Annotated[
        Path | None,
        typer.Argument(
            help="Where the result would go; by default an OME-Zarr beside the input, or here if "
            "its folder cannot be written."
        ),
    ] = None,
) -> None:
    """Estimate time, memory and disk space of a run by timing a few tiles; nothing is written."""
    from napari_clip_denoise.cli.parts.plates import collection_of, plan_all
    from napari_clip_denoise.formats.detect import as_url, shown_place
    from napari_clip_denoise.formatting import format_bytes, format_seconds

    here = source.absolute()
    if as_url(source) or not os.access(here.parent, os.W_OK):
        here = Path.cwd() / "x"
    stem = shown_place(source).rstrip("/").rpartition("/")[2].split(".")[0]
    path = output or here.with_name(f"{stem}-denoised.ome.zarr")
    if collection := collection_of(source, run):
        told, found = plan_all(collection, path, run)
    else:
        told, found = _plan_one(source, path, run)
    print(f"input   {told}, planes: {found.planes}, regions: {found.regions}")
    print(f"output  {shown_place(path)}" + ("" if output else " (default)"))
    print(
        f"tiles   {found.tiles_per_plane} per plane, {found.tile} pixels, {found.batch} at a time"
    )
    program = found.program_bytes
    used = _used(found.host_bytes + program, found.host_free + program)
    print(f"memory  {used}, {format_bytes(program)} of it for the program")
    if found.device_bytes is not None and found.device_free is not None:
        print(f"device  {_used(found.device_bytes, found.device_free)} on {found.device}")
    print(f"disk    about {_used(found.disk_bytes, found.disk_free)}")
    print(f"time    about {format_seconds(found.seconds)} on {found.device}")
    found.check()


def _plan_one(source: Path, path: Path, run: Run) -> "tuple[str, Plan]":
    """Estimate what the run on an image takes; return the size of the image in words as well."""
    import sys

    from napari_clip_denoise.formats import open_stack
    from napari_clip_denoise.inference.check import check_run

    stack = open_stack(source, run.axes, run.series)
    refuse_unused_weights(run.clip_weights, run.settings.model, rgb=stack.is_rgb)
    check_run(stack, path, run.settings, overwrite=True)

    from napari_clip_denoise.inference.estimate import make_plan
    from napari_clip_denoise.models.card_view import unsuitable_reason
    from napari_clip_denoise.models.registry import load

    loaded = load(run.settings.model, rgb=stack.is_rgb, clip_weights=run.clip_weights)
    if words := unsuitable_reason(loaded.card, rgb=stack.is_rgb):
        print(words, file=sys.stderr)
    shape = " x ".join(map(str, stack.shape))
    return f"{shape} ({stack.axes})", make_plan(stack, path, run.settings, loaded)


def _used(needed: int, free: int | None) -> str:
    from napari_clip_denoise.formatting import format_bytes

    if free is None:
        return format_bytes(needed)
    return f"{format_bytes(needed)} of {format_bytes(free)} free"
