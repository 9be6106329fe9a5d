"""The out-of-distribution study: trained on one noise at one level, tested on many.

In ``tests``: ``python -m benchmarks.study --help``.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.evaluation.scores.evaluate import evaluate
from napari_clip_denoise.evaluation.scores.report import Evaluation, markdown_table
from napari_clip_denoise.models.folder import DEFAULT_MODEL
from napari_clip_denoise.training.pretrain.encoders import RANDOM, load_encoder, with_encoder
from napari_clip_denoise.training.pretrain.fit import train
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe

RECIPE = "paper-gaussian15"
CHECKPOINTS = 20
IDF = {
    "gaussian-50": 25.73,
    "spatial-55": 27.87,
    "poisson-3.5": 27.47,
    "salt-pepper-0.02": 33.38,
    "speckle-0.04": 29.18,
}
"""PSNR in dB on CBSD68 that IDF reports, trained on Gaussian noise of sigma 15 alone (Kim et al.,
ICCV 2025)."""


@dataclass(frozen=True)
class Variant:
    """What one of the compared decoders is trained on.

    Attributes
    ----------
    name : str
        Of the model.
    encoder : str
        See `training.pretrain.encoders.with_encoder`.
    augmentation_level : float
        Of the progressive feature augmentation; 0 is none.
    """

    name: str
    encoder: str
    augmentation_level: float = 0.025


def variants(encoder: str = DEFAULT_MODEL) -> tuple[Variant, ...]:
    """Give what is compared: the encoder, the same without augmentation, and a random one."""
    return (
        Variant("frozen", encoder),
        Variant("frozen-unaugmented", encoder, 0.0),
        Variant("random", RANDOM),
    )


def run_study(
    data: str | Path,
    test: Sequence[str | Path],
    run: str | Path,
    *,
    encoder: str = DEFAULT_MODEL,
    clip_weights: Path | None = None,
    steps: int = 300_000,
    batch: int = 16,
    crop: int = 128,
    limit: int | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> Evaluation:
    """Train a decoder for each of `variants` by the paper's recipe, and score all of them.

    A study that was broken off goes on where it stopped.

    Parameters
    ----------
    data : str or Path
        Folder of clean RGB images to train on, such as CBSD432.
    test : sequence of str or Path
        Folders of clean RGB images to score on, such as CBSD68.
    run : str or Path
        Folder for the states and models.
    encoder : str
        Frozen encoder to study: ``"clip-rn50"``, another CLIP such as
        ``"open_clip:RN101:openai"``, or a model. The random one has its shape.
    clip_weights : Path, optional
        Local file with CLIP's weights.
    steps : int
        Of each training; the paper's schedule is shortened in proportion.
    batch, crop : int
        Patches a step and their side in pixels; the defaults are the paper's.
    limit : int, optional
        Score only on the first few images.
    device : str
        ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``.
    report : callable
        Told what happens, a line at a time.
    """
    models = []
    for variant in variants(encoder):
        recipe = variant_recipe(variant, steps, shaped_as=encoder, batch=batch, crop=crop)
        denoiser = train(
            recipe,
            Path(data),
            Path(run) / variant.name,
            device=device,
            resume=True,
            encoder=partial(
                load_encoder,
                recipe.encoder,
                recipe.network.encoder,
                seed=recipe.seed,
                clip_weights=clip_weights,
            ),
            on_progress=partial(_tell, report, variant.name, steps),
        )
        models.append(write_model(recipe, denoiser, Path(run) / f"{variant.name}.safetensors"))
    return evaluate(models, test, limit=limit, clean=False, device=device, on_row=report)


def variant_recipe(
    variant: Variant,
    steps: int,
    *,
    shaped_as: str = DEFAULT_MODEL,
    batch: int = 16,
    crop: int = 128,
) -> Recipe:
    """Give the paper's recipe for a variant, its schedule shortened to some steps."""
    shaped = with_encoder(load_recipe(RECIPE), shaped_as)
    recipe = with_encoder(shaped, variant.encoder)
    paper = recipe.optimisation
    first = steps * paper.periods[0] // paper.steps
    optimisation = paper.model_copy(
        update={
            "steps": steps,
            "batch": batch,
            "crop": crop,
            "checkpoint_every": max(1, steps // CHECKPOINTS),
            "periods": (first, steps - first),
            "augmentation_level": variant.augmentation_level,
        }
    )
    return recipe.model_copy(update={"name": variant.name, "optimisation": optimisation})


def _tell(report: Callable[[str], None], name: str, steps: int, entry: dict[str, float]) -> None:
    report(f"{name}: step {entry['step']:.0f}/{steps}  loss {entry['loss']:.4f}")


def study_table(result: Evaluation) -> str:
    """Give the PSNRs as Markdown, beside those that IDF reports for CBSD68."""
    names = ["noisy", *(facts.name for facts in result.methods)]
    rows = [
        [
            data,
            noise,
            *(f"{result.mean(name, data, noise)['psnr']:.2f}" for name in names),
            f"{IDF[noise]:.2f}" if noise in IDF else "",
        ]
        for data, noise in result.rows
    ]
    return markdown_table(["data", "noise", *names, "IDF (published)"], rows)


def main(
    data: Annotated[Path, typer.Option(help="Folder of clean RGB images to train on.")],
    test: Annotated[
        list[Path], typer.Option(help="Folder of clean RGB images to score on; may be repeated.")
    ],
    run: Annotated[Path, typer.Option(help="Folder for the states and the models.")],
    encoder: Annotated[
        str,
        typer.Option(help="clip-rn50, another as open_clip:RN101:openai, or a model."),
    ] = DEFAULT_MODEL,
    clip_weights: Annotated[
        Path | None, typer.Option(help="Local file with CLIP's weights.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of each training.", min=4)] = 300_000,
    batch: Annotated[int, typer.Option(help="Patches a step.", min=1)] = 16,
    crop: Annotated[int, typer.Option(help="Side of the patches, a multiple of 16.")] = 128,
    limit: Annotated[
        int | None, typer.Option(help="Score only on the first few images.", min=1)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
) -> None:
    """Train decoders on one noise at one level and score them on all of the paper's."""
    result = run_study(
        data,
        test,
        run,
        encoder=encoder,
        clip_weights=clip_weights,
        steps=steps,
        batch=batch,
        crop=crop,
        limit=limit,
        device=device,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(study_table(result))


if __name__ == "__main__":
    typer.run(main)
