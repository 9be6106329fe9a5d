"""``clip-denoise denoise``."""

from pathlib import Path
from typing import Annotated, Literal

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
    StrengthOption,
    ThreadsOption,
    TileOption,
    parse_share,
    run_settings,
)


def denoise(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="TIFF, OME-TIFF, OME-Zarr, zarr, NumPy, PNG, JPEG, NIfTI, MRC, a folder of TIFF "
            "or PNG planes, the folder or a file of a DICOM series, or the URL of an OME-Zarr.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            help="The result; its suffix tells the format, and none makes it a DICOM series."
        ),
    ],
    model: ModelOption = "auto",
    axes: Annotated[
        str | None,
        typer.Option(help="One letter a dimension, such as zyx, tcyx or yxs (s: RGB samples)."),
    ] = None,
    series: SeriesOption = None,
    preset: PresetOption = "general",
    intensity: IntensityOption = None,
    strength: StrengthOption = 1.0,
    self_ensemble: SelfEnsembleOption = False,
    dtype: Annotated[
        str | None, typer.Option(help="Type of the result; by default that of the input.")
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    tile: TileOption = None,
    batch: BatchOption = None,
    threads: ThreadsOption = None,
    overwrite: Annotated[
        bool,
        typer.Option(help="Replace an output that is there, or one begun with other settings."),
    ] = False,
    ome_version: Annotated[
        Literal["0.4", "0.5"], typer.Option(help="Version of an OME-Zarr output.")
    ] = "0.5",
    shard: Annotated[
        str, typer.Option(help="Do part i/n of the work, such as 0/8; others do the rest.")
    ] = "0/1",
    workers: Annotated[
        int | None, typer.Option(help="Start so many dask workers on this machine.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler whose workers do the work.")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Print how busy each stage of the run was.")
    ] = False,
    clip_weights: ClipWeightsOption = None,
) -> None:
    """Denoise an image or a stack of any size, plane by plane.

    An interrupted run with an OME-Zarr output continues where it stopped.
    """
    import sys
    import time

    from napari_clip_denoise.formats import open_stack
    from napari_clip_denoise.inference.check import check_run

    settings = run_settings(
        preset,
        intensity,
        model=model,
        strength=strength,
        self_ensemble=self_ensemble,
        output_dtype=dtype,
        device=device,
        precision=precision,
        tile=tile,
        batch=batch,
        threads=threads,
    )
    share = parse_share(shard)
    stack = open_stack(source, axes, series)
    check_run(
        stack,
        output,
        settings,
        overwrite=overwrite,
        share=share,
        ome_version=ome_version,
        by_workers=workers is not None or scheduler is not None,
    )

    from napari_clip_denoise.cli.cluster import cluster_client
    from napari_clip_denoise.cli.progress import progress_bar
    from napari_clip_denoise.formatting import format_seconds
    from napari_clip_denoise.inference.api import denoise_to_file
    from napari_clip_denoise.inference.timing import Profile
    from napari_clip_denoise.models.registry import load

    loaded = load(settings.model, rgb=stack.is_rgb, clip_weights=clip_weights)
    measured = Profile()
    started = time.perf_counter()
    with cluster_client(workers, scheduler) as client, progress_bar("Denoising") as report:
        path = denoise_to_file(
            stack,
            output,
            settings,
            model=loaded,
            overwrite=overwrite,
            share=share,
            ome_version=ome_version,
            progress=report,
            notify=lambda sentence: print(sentence, file=sys.stderr),
            profile=measured,
            client=client,
        )
    seconds = time.perf_counter() - started
    if profile:
        for stage in measured.stages():
            print(f"{stage.name:7} {stage.busy:4.0%} of {stage.threads} threads busy")
    if not path.exists():
        print(f"Share {shard} is done; {path} appears when all others are.")
        return
    shape = " x ".join(map(str, stack.shape))
    print(
        f"{path}: {shape} ({stack.axes}), planes: {stack.n_planes}, "
        f"{format_seconds(seconds)}, {stack.n_planes / seconds:.1f} planes/s"
    )
