"""``clip-denoise train``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import ClipWeightsOption
from napari_clip_denoise.cli.parts.unused import refuse_unused_weights


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the recipe's image groups.")],
    run: Annotated[Path, typer.Option(help="Folder for the state, the log and the model.")],
    resume: Annotated[bool, typer.Option(help="Go on from the state in the run folder.")] = False,
    init_from: Annotated[
        str | None, typer.Option(help="A model to begin with, by name or file.")
    ] = None,
    start: Annotated[str | None, typer.Option(hidden=True)] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Train a decoder on this frozen encoder instead: clip-rn50, another CLIP such as "
            "open_clip:RN101:openai, random, or a model."
        ),
    ] = None,
    clip_weights: ClipWeightsOption = None,
    smoke: Annotated[
        bool, typer.Option(help="Run a few small steps only, to see that all is in its place.")
    ] = False,
    install: Annotated[
        bool | None,
        typer.Option(
            help="Copy the model to your own models, so that its name is enough to use it. By "
            "default you are asked, if there is somebody to ask."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
    devices: Annotated[
        int, typer.Option(help="How many devices (on the CPU: processes) share each batch.")
    ] = 1,
) -> None:
    """Train a model with a recipe; the model file is written to the run folder."""
    from functools import partial

    from napari_clip_denoise.models.registry import find, load
    from napari_clip_denoise.training.pretrain.recipe import load_recipe

    settings = load_recipe(recipe)
    if start:
        print("--start is now called --init-from; please use that.", file=sys.stderr)
        init_from = init_from or start
    if init_from:
        find(init_from)
    frozen = encoder or settings.encoder
    refuse_unused_weights(
        clip_weights,
        *([init_from] if init_from else []),
        encoders=[frozen] if frozen else [],
    )

    from lightning_fabric.utilities import rank_zero_only

    from napari_clip_denoise.training.pretrain.encoders import load_encoder, with_encoder
    from napari_clip_denoise.training.pretrain.fit import train as fit
    from napari_clip_denoise.training.pretrain.log import ALIVE
    from napari_clip_denoise.training.pretrain.package import write_model

    if encoder:
        settings = with_encoder(settings, encoder)
    if smoke:
        settings = settings.smoke()

    def report(entry: dict[str, float]) -> None:
        fractions = [f"{entry[name]:.2f}" for name in ALIVE if name in entry]
        living = f"  alive {' '.join(fractions)}" if fractions else ""
        print(
            f"step {entry['step']:.0f}/{settings.optimisation.steps}  loss {entry['loss']:.4f}  "
            f"{entry['seconds']:.0f} s{living}",
            flush=True,
        )

    parent = load(init_from, clip_weights=clip_weights) if init_from else None
    denoiser = fit(
        settings,
        data,
        run,
        device=device,
        devices=devices,
        resume=resume,
        init_from=parent.denoiser if parent else None,
        encoder=partial(
            load_encoder,
            settings.encoder,
            settings.network.encoder,
            seed=settings.seed,
            clip_weights=clip_weights,
        )
        if settings.encoder
        else None,
        on_progress=report,
    )

    @rank_zero_only
    def write() -> None:
        path = run / f"{settings.name}.safetensors"
        print(write_model(settings, denoiser, path, parent=parent).path)
        _offer(path, install)

    write()


def _offer(path: Path, install: bool | None) -> None:
    """Copy a trained model to the user's models, if wanted."""
    from napari_clip_denoise.models.folder import models_folder
    from napari_clip_denoise.models.library import add_file

    known = (models_folder() / path.name).exists()
    if install is None and sys.stdin.isatty():
        question = f"Replace your model '{path.stem}'" if known else f"Install it as '{path.stem}'"
        install = typer.confirm(f"{question}, so that its name is enough to use it?")
    if install:
        name = add_file(path, overwrite=known)
        print(f"Installed; use it with: clip-denoise denoise --model {name} INPUT OUTPUT")
    elif install is None:
        print(f"To use it by its name: clip-denoise models import {path}")
