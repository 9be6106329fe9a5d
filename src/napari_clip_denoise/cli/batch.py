"""``clip-denoise batch``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_clip_denoise.cli.options import Run, with_run_options
from napari_clip_denoise.cli.parts.unused import refuse_unused, refuse_unused_weights
from napari_clip_denoise.cli.report import JsonOption, report_on_batch

ANY = "*"

if TYPE_CHECKING:
    from napari_clip_denoise.inference.batch import FileResult


@with_run_options
def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders of files, or patterns such as 'data/*.tif'."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")
    ],
    run: Run,
    pattern: Annotated[
        str,
        typer.Option(
            help="Pattern of the names to take from folders; **/*.tif includes subfolders."
        ),
    ] = ANY,
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="Suffix of all results, such as .ome.zarr."),
    ] = None,
    keep_folders: Annotated[
        bool,
        typer.Option("--keep-folders", help="Keep the sub-folders of the inputs in the results."),
    ] = False,
    existing: Annotated[
        str, typer.Option(help="If a result exists: skip the file, or replace the result.")
    ] = "skip",
    as_json: JsonOption = False,
) -> None:
    """Denoise many files with the same settings; the exit code is 1 if some failed.

    All scenes of a microscope's file are denoised, or the one that --series or --scene names.
    """
    from napari_clip_denoise.formats.discover import find_sources, is_pattern, is_searched
    from napari_clip_denoise.formats.outputs import each_image
    from napari_clip_denoise.inference.batch import denoise_files

    folders = [item for item in inputs if is_searched(item)]
    refuse_unused(bool(folders), "folders", pattern=pattern if pattern != ANY else None)
    searched = folders or [item for item in inputs if is_pattern(item)]
    refuse_unused(bool(searched), "folders and patterns", keep_folders=keep_folders)
    refuse_unused_weights(run.clip_weights, run.settings.model)
    sources = each_image(find_sources(inputs, pattern, results=output), run.series)
    results: list[FileResult] = []
    report = report_on_batch(as_json)
    try:
        with report.progress("finished files are kept") as on_progress:
            for result in denoise_files(
                sources,
                output,
                run.settings,
                suffix=output_format,
                keep_folders=inputs if keep_folders else (),
                existing=existing,  # type: ignore[arg-type]
                axes=run.axes,
                clip_weights=run.clip_weights,
                progress=on_progress,
                notify=report.notice,
            ):
                results.append(result)
                if as_json:
                    report.result("", **_values(result))
    finally:
        if results and not as_json:
            _print_summary(results, len(sources))
    if any(result.state == "failed" for result in results):
        raise typer.Exit(1)


def _values(result: "FileResult") -> dict[str, object]:
    return {
        "input": str(result.source),
        "output": str(result.output),
        "state": result.state,
        "seconds": round(result.seconds, 3),
        "message": result.message,
        "verdict": result.verdict,
        "flagged": result.is_flagged,
    } | ({"image": result.image} if result.image else {})


def _print_summary(results: "list[FileResult]", n_sources: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from napari_clip_denoise.formatting import counted, format_seconds, image_label

    table = Table("file", "state", "time", "result", "check", box=None, pad_edge=False)
    for result in results:
        table.add_row(
            escape(image_label(result.source.name, result.image)),
            result.state,
            format_seconds(result.seconds) if result.seconds else "",
            escape(result.message or str(result.output)),
            escape(result.verdict),
        )
    Console().print(table)
    flagged = sum(result.is_flagged for result in results)
    if flagged:
        print(f"More than noise was removed from {counted(flagged, 'file')}; see the last column.")
    states = [result.state for result in results]
    counts = [f"{states.count(state)} {state}" for state in ("done", "skipped", "failed")]
    if len(results) < n_sources:
        counts.append(f"{n_sources - len(results)} not started")
    print(", ".join(counts))
