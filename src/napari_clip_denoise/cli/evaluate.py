"""``clip-denoise evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import DeviceOption, SelfEnsembleOption
from napari_clip_denoise.cli.parts.unused import refuse_unused
from napari_clip_denoise.errors import InputError


def evaluate(
    data: Annotated[
        list[Path],
        typer.Option(help="Folder of clean images, or of noisy/ and clean/; may be repeated."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Name of a model, or a file; may be repeated."),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline",
            "-b",
            help="gaussian, nlm, wavelet, tv, bm3d or vst-bm3d; may be repeated.",
        ),
    ] = None,
    suite: Annotated[
        str, typer.Option(help="paper (clean images, added noise), real (pairs) or ct.")
    ] = "paper",
    noise: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this noise of the paper, such as poisson or gaussian-25; may be repeated."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first few images of each folder.", min=1)
    ] = None,
    noise_generator: Annotated[
        str,
        typer.Option(
            help="pcg64, or reference: bit for bit as the scripts of the paper's authors."
        ),
    ] = "pcg64",
    ct_metrics: Annotated[
        str, typer.Option(help="window, or reference: as the paper's authors score CT.")
    ] = "window",
    clean: Annotated[
        bool,
        typer.Option(help="Measure how well clean images are left alone (clean-image PSNR)."),
    ] = True,
    harm: Annotated[bool | None, typer.Option("--harm/--no-harm", hidden=True)] = None,
    self_ensemble: SelfEnsembleOption = False,
    device: DeviceOption = "auto",
    output: Annotated[
        Path | None, typer.Option(help="Folder for scores.md, .csv, .json and pictures.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(help="Write a copy of the first model here, with the scores on its card."),
    ] = None,
) -> None:
    """Score models and classical methods on images whose truth is known."""
    import sys

    from napari_clip_denoise.evaluation.scores.evaluate import evaluate as run
    from napari_clip_denoise.formats.base import check_folder
    from napari_clip_denoise.models.folder import DEFAULT_MODEL
    from napari_clip_denoise.models.registry import load

    if harm is not None:
        clean = harm
        print("--harm and --no-harm are now called --clean and --no-clean.", file=sys.stderr)
    models = model or ([] if baseline else [DEFAULT_MODEL])
    if card is not None and not models:
        raise InputError("There is no model to write scores on; give one with --model.")
    if card is not None and self_ensemble:
        raise InputError("A card holds the scores of single runs; leave out --self-ensemble.")
    if card is not None:
        check_folder(card)
    refuse_unused(bool(models), "models", self_ensemble=self_ensemble)
    result = run(
        models,
        data,
        suite,  # type: ignore[arg-type]
        baseline or [],
        noises=noise or [],
        limit=limit,
        noise_generator=noise_generator,  # type: ignore[arg-type]
        ct_metrics=ct_metrics,  # type: ignore[arg-type]
        clean=clean,
        self_ensemble=self_ensemble,
        device=device,
        on_row=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(result.to_markdown())
    for path in result.write(output) if output else ():
        print(path, file=sys.stderr)
    if card is not None:
        from napari_clip_denoise.evaluation.scores.scored_model import write_scored

        print(write_scored(load(models[0]), result, Path(models[0]).stem, card), file=sys.stderr)
