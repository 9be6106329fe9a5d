"""``clip-denoise finetune``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_clip_denoise.cli.options import ClipWeightsOption
from napari_clip_denoise.cli.parts.unused import refuse_unused, refuse_unused_weights
from napari_clip_denoise.training.finetune.registry import objective_help

if TYPE_CHECKING:
    from napari_clip_denoise.training.finetune.progress import Learning

NOT_BETTER = 1


def finetune(
    name: Annotated[str, typer.Argument(help="Name of the new model.")],
    noisy: Annotated[
        list[Path] | None, typer.Argument(help="Noisy images: files, stores or folders.")
    ] = None,
    clean: Annotated[
        list[Path] | None, typer.Option(help="Clean images of the same fields.")
    ] = None,
    repeats: Annotated[
        list[Path] | None, typer.Option(help="Further noisy images of the same fields.")
    ] = None,
    repeat_axis: Annotated[
        str | None, typer.Option(help="Axis along which a field is repeated, such as t.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help=objective_help()),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model to begin with (compact).")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time for training (15).")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of training; without --minutes, that many.")
    ] = None,
    axes: Annotated[str | None, typer.Option(help="One letter a dimension, such as tzyx.")] = None,
    intensity: Annotated[
        str | None, typer.Option(help="As in 'denoise'; use the same there (anscombe).")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Noise for synthetic: gain,offset,read noise, such as 2.1,100,3."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    devices: Annotated[int | None, typer.Option(help="How many share each batch.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same gives the same patches.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file with these and all other settings.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder for the state (in the models folder).")
    ] = None,
    restart: Annotated[bool, typer.Option(help="Throw an unfinished training away.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a model of that name.")] = False,
    keep: Annotated[bool, typer.Option(help="Save the model even if it is not better.")] = False,
    clip_weights: ClipWeightsOption = None,
) -> None:
    """Fine-tune a model on your own images; the best version is saved if it beats the original."""
    from napari_clip_denoise.images.intensity import parse_intensity
    from napari_clip_denoise.models.library import install, place_of_new
    from napari_clip_denoise.training.finetune.check import check_fine_tuning
    from napari_clip_denoise.training.finetune.registry import Images, choose
    from napari_clip_denoise.training.finetune.settings import (
        make_fine_tune_settings,
        parse_noise,
        read_settings,
        run_folder,
    )

    values: dict[str, Any] = {
        "name": name,
        "repeat_axis": repeat_axis,
        "objective": objective,
        "model": model,
        "minutes": minutes,
        "steps": steps,
        "intensity": parse_intensity(intensity) if intensity else None,
        "noise": parse_noise(noise) if noise else None,
        "device": device,
        "devices": devices,
        "seed": seed,
    }
    given = {key: value for key, value in values.items() if value is not None}
    chosen = make_fine_tune_settings(**(read_settings(settings) if settings else {}) | given)
    place_of_new(chosen.name, overwrite=overwrite)
    check_fine_tuning(chosen)
    refuse_unused_weights(clip_weights, chosen.model)

    from napari_clip_denoise.training.data.sources import open_sources

    images = Images(
        noisy=open_sources(noisy or [], axes),
        clean=open_sources(clean or [], axes),
        repeats=open_sources(repeats or [], axes),
        repeat_axis=chosen.repeat_axis,
        noise_is_given=chosen.noise is not None,
    )
    learned = choose(chosen.objective, images)
    refuse_unused(learned == "synthetic", "the objective synthetic", noise=noise)
    uses_clean = learned in ("supervised", "synthetic")
    refuse_unused(uses_clean, "the objectives supervised and synthetic", clean=clean)
    refuse_unused(
        learned == "noise2noise",
        "the objective noise2noise",
        repeats=repeats,
        repeat_axis=repeat_axis,
    )

    from napari_clip_denoise.formatting import counted, format_seconds
    from napari_clip_denoise.training.finetune.api import fine_tune, is_first_process

    with _learning_bar() as report:
        result = fine_tune(
            images.noisy or None,
            clean=images.clean or None,
            repeats=images.repeats or None,
            settings=chosen,
            run=run or run_folder(chosen.name),
            restart=restart,
            clip_weights=clip_weights,
            on_start=_say,
            on_progress=report,
        )
    if not is_first_process():
        return
    print(f"{counted(result.steps, 'step')} in {format_seconds(result.seconds)}. {result.verdict}")
    if not (result.improved or keep):
        print(f"Nothing was saved; '{chosen.model}' stays the model to use.")
        raise typer.Exit(NOT_BETTER)
    path = install(result.model, overwrite=overwrite)
    print(f"Saved to {path}; use it with: clip-denoise denoise --model {chosen.name} INPUT OUTPUT")


def _say(reason: str, notes: tuple[str, ...]) -> None:
    for sentence in (f"Objective {reason}", *notes):
        print(sentence, flush=True)


@contextmanager
def _learning_bar() -> "Iterator[Callable[[Learning], None]]":
    """Show a bar with the scores and the remaining time on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from napari_clip_denoise.formatting import format_seconds
    from napari_clip_denoise.training.finetune.progress import decibels

    columns = (TextColumn("Learning"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, state="preparing")

        def report(learning: "Learning") -> None:
            left = format_seconds(learning.seconds_left or 0)
            scores = f"{decibels(learning.start):.2f} -> {decibels(learning.best):.2f} dB"
            bar.update(
                task,
                completed=learning.fraction,
                state=f"step {learning.step}, {scores}, {left} left",
            )

        try:
            yield report
        except KeyboardInterrupt:
            bar.stop()
            print("Interrupted; the same command goes on from the last state.", file=sys.stderr)
            raise typer.Exit(130) from None
