"""``clip-denoise features``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import ClipWeightsOption
from napari_clip_denoise.cli.parts.unused import RANDOM, refuse_unused, refuse_unused_weights


def features(
    data: Annotated[Path, typer.Option(help="Folder of clean images, grey or RGB.")],
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="clip-rn50, another CLIP such as open_clip:RN101:openai, random (of the shape of "
            "the one before), or a model; may be repeated. By default compact and random."
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(help="Only this noise, such as poisson or gaussian-25; may be repeated."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first few images.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Of random encoders (0).")] = None,
    clip_weights: ClipWeightsOption = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the table here, .png or .svg.")] = None,
) -> None:
    """Measure how much noise changes an encoder's features, and what they tell of the content."""
    from napari_clip_denoise.models.folder import DEFAULT_MODEL

    encoders = encoder or [DEFAULT_MODEL, RANDOM]
    refuse_unused(RANDOM in encoders, "random encoders", seed=seed)
    refuse_unused_weights(clip_weights, encoders=encoders)

    import napari_clip_denoise.evaluation.feature_report as report
    from napari_clip_denoise.evaluation.features import feature_similarity

    results = feature_similarity(
        encoders,
        data,
        noises=noise or [],
        limit=limit,
        seed=seed or 0,
        clip_weights=clip_weights,
    )
    print(report.to_markdown(results))
    if plot is not None:
        report.plot(results, plot)
