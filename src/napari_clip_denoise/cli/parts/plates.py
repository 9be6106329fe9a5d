"""What ``clip-denoise denoise`` and ``plan`` do with a plate, or another store of many images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clip_denoise.cli.options import Run
from napari_clip_denoise.cli.parts.unused import refuse_unused, refuse_unused_weights
from napari_clip_denoise.cli.report import Report

if TYPE_CHECKING:
    from napari_clip_denoise.formats.ome_zarr.plates.collection import Collection

MOST_FLAGGED = 20


def collection_of(source: Path, run: Run) -> "Collection | None":
    """Return the store of many images that a command is to denoise; None for a single image.

    Raises
    ------
    InputError
        If one image is chosen by its number, and the store is a plate.
    """
    from napari_clip_denoise.formats.ome_zarr.plates.collection import open_collection

    found = open_collection(source)
    is_plate = found is not None and found.is_plate
    refuse_unused(not is_plate, "files of several images that are no plate", series=run.series)
    return found if found is not None and (found.is_plate or run.series is None) else None


def denoise_all(
    collection: "Collection",
    output: Path,
    run: Run,
    report: Report,
    shard: str,
    options: dict[str, Any],
) -> None:
    """Denoise all images of a store, and tell what came out.

    Parameters
    ----------
    collection : Collection
        The store.
    output : Path
        Path or URL of the result.
    run, report, shard :
        What the options of the command say.
    options : dict
        Arguments of `denoise_collection`.
    """
    import time

    from napari_clip_denoise.formats.detect import shown_place
    from napari_clip_denoise.formatting import format_seconds
    from napari_clip_denoise.inference.check import check_run
    from napari_clip_denoise.inference.plates.check import check_suffix, checked

    check_suffix(output)
    there = checked(
        collection, skip_missing=options["skip_missing"], shard=options["shard"], notify=_ignore
    )
    first = collection.open(there.fields[0], run.axes)
    refuse_unused_weights(run.clip_weights, run.settings.model, rgb=first.is_rgb)
    check_run(first, output, run.settings, overwrite=options["overwrite"], shard=options["shard"])

    from napari_clip_denoise.inference.plates.api import model_loader
    from napari_clip_denoise.inference.plates.run import denoise_collection

    started = time.perf_counter()
    with report.progress("what is finished is kept") as on_progress:
        result = denoise_collection(
            collection,
            output,
            run.settings,
            model_loader(run.settings.model, run.clip_weights),
            axes=run.axes,
            progress=on_progress,
            notify=report.notice,
            **options,
        )
    place = shown_place(output)
    if not result.is_complete:
        text = f"Shard {shard} is done; {place} appears once all others are."
        report.result(text, output=place, finished=False, shard=shard)
        return
    seconds = time.perf_counter() - started
    size = f"{_counted(there)}, planes: {result.n_planes}"
    verdict = result.verdict
    flagged = list(verdict.flagged.items()) if verdict else []
    told = [
        f"{place}: {size}, {format_seconds(seconds)}",
        *(f"{name}: {sentence}" for name, sentence in flagged[:MOST_FLAGGED]),
        *([verdict.sentence] if verdict else []),
    ]
    report.result(
        "\n".join(told),
        output=place,
        finished=True,
        fields=result.fields,
        planes=result.n_planes,
        seconds=round(seconds, 3),
        check=verdict.record() if verdict else None,
    )


def plan_all(collection: "Collection", output: Path, run: Run) -> tuple[str, Any]:
    """Estimate what a run on all images of a store takes.

    Returns
    -------
    str
        The size of the input, in words.
    Plan
        The estimate.
    """
    from napari_clip_denoise.inference.check import check_run
    from napari_clip_denoise.inference.plates.check import check_suffix

    check_suffix(output)
    fields = [collection.open(name, run.axes) for name in collection.fields]
    refuse_unused_weights(run.clip_weights, run.settings.model, rgb=fields[0].is_rgb)
    check_run(fields[0], output, run.settings, overwrite=True)

    from napari_clip_denoise.inference.plates.api import model_loader
    from napari_clip_denoise.inference.plates.estimate import make_plate_plan

    model = model_loader(run.settings.model, run.clip_weights)(fields[0].is_rgb)
    sizes = sorted({" x ".join(map(str, field.shape)) for field in fields})
    size = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes"
    told = f"{_counted(collection)} of {size} ({fields[0].axes})"
    return told, make_plate_plan(fields, output, run.settings, model)


def _counted(collection: "Collection") -> str:
    from napari_clip_denoise.formatting import counted

    n_fields = len(collection.fields)
    if not collection.is_plate:
        return counted(n_fields, "image")
    return f"{counted(len(collection.units), 'well')}, {counted(n_fields, 'field')}"


def _ignore(sentence: str) -> None:
    """Ignore a notice that is told again."""
