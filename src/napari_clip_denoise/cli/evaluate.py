"""``clip-denoise evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import DeviceOption, ModelOption


def evaluate(
    data: Annotated[
        Path, typer.Option(help="Folder with any of set12, fmd and w2s (see the docs).")
    ],
    model: ModelOption = "compact",
    device: DeviceOption = "auto",
    card: Annotated[
        Path | None, typer.Option(help="Write a copy of the model here, with the scores on it.")
    ] = None,
) -> None:
    """Score a model on images whose truth is known."""
    import torch

    from napari_clip_denoise.evaluation.suite import score
    from napari_clip_denoise.inference.settings import make_settings
    from napari_clip_denoise.models.checkpoint import Model, save_model
    from napari_clip_denoise.models.registry import load

    settings = make_settings(model=model, device=device)
    loaded = load(settings.model)
    scores = score(loaded, data, device=settings.device)
    if card is not None:
        scored = loaded.card.model_copy(update={"scores": tuple(scores)})
        print(save_model(Model(scored, loaded.denoiser), card, dtype=torch.float16).path)
