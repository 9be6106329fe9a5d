"""What ``clip-denoise denoise`` and ``plan`` do with a plate, or another store of many images."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_clip_denoise.cli.options import Run

if TYPE_CHECKING:
    from napari_clip_denoise.formats.ome_zarr.collection import Collection
    from napari_clip_denoise.inference.plates.run import PlateResult

MOST_FLAGGED = 20


def collection_of(source: Path, run: Run) -> "Collection | None":
    """Return the store of many images that a command is to denoise; None for a single image."""
    from napari_clip_denoise.formats.ome_zarr.collection import open_collection

    found = open_collection(source)
    return found if found is not None and (found.is_plate or run.series is None) else None


def denoise_all(
    collection: "Collection", output: Path, run: Run, shard: str, options: dict[str, Any]
) -> None:
    """Denoise all images of a store, and print what came out."""
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
    check_run(first, output, run.settings, overwrite=options["overwrite"], shard=options["shard"])

    from napari_clip_denoise.cli.progress import progress_bar
    from napari_clip_denoise.inference.plates.api import model_loader
    from napari_clip_denoise.inference.plates.run import denoise_collection

    started = time.perf_counter()
    with progress_bar("Denoising", kept="finished fields are kept") as report:
        result = denoise_collection(
            collection,
            output,
            run.settings,
            model_loader(run.settings.model, run.clip_weights),
            axes=run.axes,
            progress=report,
            notify=lambda sentence: print(sentence, file=sys.stderr),
            **options,
        )
    if not result.is_complete:
        print(f"Shard {shard} is done; {shown_place(output)} appears once all others are.")
        return
    seconds = time.perf_counter() - started
    print(f"{shown_place(output)}: {_size(collection, result)}, {format_seconds(seconds)}")
    if result.verdict is None:
        return
    for name, sentence in list(result.verdict.flagged.items())[:MOST_FLAGGED]:
        print(f"{name}: {sentence}")
    print(result.verdict.sentence)


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
    check_run(fields[0], output, run.settings, overwrite=True)

    from napari_clip_denoise.inference.plates.api import model_loader
    from napari_clip_denoise.inference.plates.estimate import make_plate_plan

    model = model_loader(run.settings.model, run.clip_weights)(fields[0].is_rgb)
    sizes = sorted({" x ".join(map(str, field.shape)) for field in fields})
    size = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes"
    told = f"{_counted(collection)} of {size} ({fields[0].axes})"
    return told, make_plate_plan(fields, output, run.settings, model)


def _size(collection: "Collection", result: "PlateResult") -> str:
    return f"{_counted(collection)}, planes: {result.n_planes}"


def _counted(collection: "Collection") -> str:
    from napari_clip_denoise.formatting import counted

    n_fields = len(collection.fields)
    if not collection.is_plate:
        return counted(n_fields, "image")
    return f"{counted(len(collection.units), 'well')}, {counted(n_fields, 'field')}"


def _ignore(sentence: str) -> None:
    """Ignore a notice that is told again."""
