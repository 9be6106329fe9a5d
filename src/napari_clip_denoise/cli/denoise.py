"""``clip-denoise denoise``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_clip_denoise.cli.options import Run, parse_shard, with_run_options
from napari_clip_denoise.cli.parts.unused import refuse_unused, refuse_unused_weights
from napari_clip_denoise.cli.report import JsonOption, report_on_run

WHOLE = "nothing was written"
SHARED = "what is finished is kept"
"""What Ctrl-C leaves of a run, and of one that shares its output with other parts."""

if TYPE_CHECKING:
    from napari_clip_denoise.residual.run_verdict import RunVerdict


@with_run_options
def denoise(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="TIFF, OME-TIFF, OME-Zarr, zarr, NumPy, PNG, JPEG, NIfTI, MRC, a folder of TIFF "
            "or PNG planes, the folder or a file of a DICOM series, the URL of an OME-Zarr, or a "
            "microscope's CZI, ND2, LIF or DV file (see the extras bioio and czi).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            help="Path of the result; its suffix decides the format; without one, a DICOM series. "
            "An OME-Zarr may also go to a URL, such as s3://bucket/a.ome.zarr."
        ),
    ],
    run: Run,
    overwrite: Annotated[
        bool,
        typer.Option(help="Replace an existing output, or one started with other settings."),
    ] = False,
    ome_version: Annotated[
        Literal["0.4", "0.5"] | None,
        typer.Option(
            help="Version of an OME-Zarr output; by default 0.5, for a plate that of the input."
        ),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            help="Do part i of n of the work, such as 0/8; other runs do the rest. Of a plate, a "
            "part is whole wells."
        ),
    ] = "0/1",
    workers: Annotated[
        int | None, typer.Option(help="Number of dask workers to start on this machine.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler whose workers do the work.")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Print how busy each stage of the run was.")
    ] = False,
    measure: Annotated[
        Literal["plate", "field"] | None,
        typer.Option(
            help="Measure intensity mapping and noise level once for a plate, so that its wells "
            "compare, or for each field; by default plate for plates, field for other stores."
        ),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels/--no-labels", help="Copy the labels and tables of a plate.")
    ] = True,
    skip_missing: Annotated[
        bool,
        typer.Option(
            "--skip-missing", help="Leave out wells and fields that are listed but not there."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Denoise an image or a stack of any size, plane by plane, or all fields of a plate.

    An interrupted run with an OME-Zarr output continues where it stopped.
    """
    import time

    from napari_clip_denoise.cli.parts.plates import collection_of, denoise_all
    from napari_clip_denoise.errors import InputError
    from napari_clip_denoise.formats import is_complete, open_stack
    from napari_clip_denoise.inference.check import check_run

    part = parse_shard(shard)
    collection = collection_of(source, run)
    refuse_unused(
        collection is not None,
        "plates and other stores whose images are all denoised",
        measure=measure,
        no_labels=not labels,
        skip_missing=skip_missing,
    )
    by_workers = workers is not None or scheduler is not None
    is_timed = collection is None and not by_workers
    refuse_unused(is_timed, "single images that this process denoises", profile=profile)
    is_store = output.name.lower().endswith(".zarr")
    refuse_unused(is_store, "OME-Zarr outputs", ome_version=ome_version)
    if collection is not None:
        if by_workers:
            raise InputError(
                "The workers of a cluster cannot denoise a plate; let tasks do a part each, with "
                "--shard i/n."
            )
        options = {
            "measure": measure,
            "labels": labels,
            "skip_missing": skip_missing,
            "overwrite": overwrite,
            "shard": part,
            "ome_version": ome_version,
        }
        denoise_all(collection, output, run, report_on_run(as_json), shard, options)
        return
    version = ome_version or "0.5"
    stack = open_stack(source, run.axes, run.series)
    refuse_unused_weights(run.clip_weights, run.settings.model, rgb=stack.is_rgb)
    check_run(
        stack,
        output,
        run.settings,
        overwrite=overwrite,
        shard=part,
        ome_version=version,
        by_workers=by_workers,
    )

    from napari_clip_denoise.formatting import format_seconds
    from napari_clip_denoise.inference.distributed import cluster_client
    from napari_clip_denoise.inference.runs import denoise_to_file
    from napari_clip_denoise.inference.timing import Profile
    from napari_clip_denoise.models.registry import load

    loaded = load(run.settings.model, rgb=stack.is_rgb, clip_weights=run.clip_weights)
    measured = Profile()
    verdicts: list[RunVerdict] = []
    report = report_on_run(as_json)
    started = time.perf_counter()
    with (
        cluster_client(workers, scheduler) as client,
        report.progress(WHOLE if part[1] == 1 else SHARED) as on_progress,
    ):
        path = denoise_to_file(
            stack,
            output,
            run.settings,
            model=loaded,
            overwrite=overwrite,
            shard=part,
            ome_version=version,
            progress=on_progress,
            notify=report.notice,
            profile=measured,
            client=client,
            on_checked=verdicts.append,
        )
    seconds = time.perf_counter() - started
    busy = {stage.name: stage.busy for stage in measured.stages()} if profile else {}
    if profile and not as_json:
        for stage in measured.stages():
            print(f"{stage.name:7} {stage.busy:4.0%} of {stage.threads} threads busy")
    if not is_complete(output):
        text = f"Shard {shard} is done; {path} appears once all others are."
        report.result(text, output=str(path), finished=False, shard=shard)
        return
    shape = " x ".join(map(str, stack.shape))
    report.result(
        "\n".join(
            [
                f"{path}: {shape} ({stack.axes}), planes: {stack.n_planes}, "
                f"{format_seconds(seconds)}, {stack.n_planes / seconds:.1f} planes/s",
                *(verdict.sentence for verdict in verdicts),
            ]
        ),
        output=str(path),
        finished=True,
        shape=stack.shape,
        axes=stack.axes,
        planes=stack.n_planes,
        seconds=round(seconds, 3),
        checks=[verdict.record()["check"] for verdict in verdicts],
        **({"busy": busy} if profile else {}),
    )
