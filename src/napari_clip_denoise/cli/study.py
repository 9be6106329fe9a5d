"""``clip-denoise study``."""

from pathlib import Path
from typing import Annotated

import typer


def study(
    data: Annotated[Path, typer.Option(help="Folder of clean RGB images to train on.")],
    test: Annotated[
        list[Path], typer.Option(help="Folder of clean RGB images to score on; may be repeated.")
    ],
    run: Annotated[Path, typer.Option(help="Folder for the states and the models.")],
    steps: Annotated[int, typer.Option(help="Steps of each training.", min=4)] = 300_000,
    batch: Annotated[int, typer.Option(help="Patches a step.", min=1)] = 16,
    crop: Annotated[int, typer.Option(help="Side of the patches, a multiple of 16.")] = 128,
    limit: Annotated[
        int | None, typer.Option(help="Score only on the first few images.", min=1)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
) -> None:
    """Train decoders on one noise at one level and score them on all of the paper's."""
    import sys

    from napari_clip_denoise.evaluation.study import run_study, study_table

    result = run_study(
        data,
        test,
        run,
        steps=steps,
        batch=batch,
        crop=crop,
        limit=limit,
        device=device,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(study_table(result))
