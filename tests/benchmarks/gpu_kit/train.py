"""Go on with the trainings of a kit until a time is up, in a process that `run` starts."""

import json
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu_kit.files import bring, fetch
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.registry import load
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.checkpoint import load_checkpoint
from napari_clip_denoise.training.pretrain.fit import LAST_STATE, LOG, train, trained_denoiser
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe

KEEP_EVERY = 100
"""Steps between saved states: few, because what follows the last one is lost."""
RESERVE = 15.0
"""Seconds kept for writing the models."""


class TimeIsUp(Exception):
    """Ends a training between two steps."""


def go_on(options: Namespace) -> None:
    """Train one recipe after the other, from its last state, and write its model."""
    end = time.monotonic() + 60 * options.minutes - RESERVE
    for training in json.loads((options.kit / "trainings.json").read_text()):
        recipe = shortened(load_recipe(options.kit / training["recipe"]), options)
        steps, run = recipe.optimisation.steps, options.work / "runs" / recipe.name
        parent = None
        if training["init_from"]:
            parent = load(_brought(training["init_from"], options) / _model(training["init_from"]))
        done = finished_steps(_brought(recipe.name, options))
        if done == steps and (run / _model(recipe.name)).exists():
            continue
        final = None
        if time.monotonic() < end:
            final = _train(recipe, run, parent, options, end=end, most=done + options.steps)
        reached = finished_steps(run)
        if reached:
            if final is None:
                average = load_checkpoint(run / LAST_STATE, "take the one of the kit")["average"]
                final = trained_denoiser(recipe, average)
            write_model(recipe, final, run / _model(recipe.name), parent=parent)
            for name in _files_of(recipe.name):
                bring(run / name, options.out / recipe.name / name)
        print(f"{recipe.name}: step {done} -> {reached} of {steps}", flush=True)
        if reached < steps:
            break


def _model(name: str) -> str:
    return f"{name}.safetensors"


def _files_of(name: str) -> tuple[str, ...]:
    return LAST_STATE, LOG, _model(name)


def _brought(name: str, options: Namespace) -> Path:
    """Return the folder of a training, with the files of the last call or of the kit."""
    run: Path = options.work / "runs" / name
    for file in _files_of(name):
        if not (run / file).exists():
            any(fetch(source / name / file, run / file) for source in (options.out, options.kit))
    return run


def shortened(recipe: Recipe, options: Namespace) -> Recipe:
    """Return a recipe that saves its state often, and is small for a trial."""
    changes: dict[str, Any] = {"checkpoint_every": min(KEEP_EVERY, options.steps)}
    if options.trial:
        recipe = recipe.model_copy(
            update={
                "simulation": recipe.simulation.model_copy(update={"planes": 2}),
                "textures": recipe.textures.model_copy(update={"planes": 2}),
            }
        )
        changes |= {"batch": 2, "crop": 64}
    return recipe.model_copy(
        update={"optimisation": recipe.optimisation.model_copy(update=changes)}
    )


def finished_steps(run: Path) -> int:
    """Return the number of steps in the last state of a run, 0 if there is none."""
    state = run / LAST_STATE
    return int(load_checkpoint(state, "take the one of the kit")["step"]) if state.exists() else 0


def _train(
    recipe: Recipe, run: Path, parent: Model | None, options: Namespace, *, end: float, most: int
) -> Denoiser | None:
    """Train until the recipe's end, or else until `end` or for enough steps; then return None."""

    def stop(step: int) -> None:
        kept = step % recipe.optimisation.checkpoint_every == 0
        if (step >= most and kept) or time.monotonic() > end:
            raise TimeIsUp

    with suppress(TimeIsUp):
        return train(
            recipe,
            options.data,
            run,
            device=options.device,
            resume=True,
            init_from=parent.denoiser if parent else None,
            on_progress=lambda entry: print(entry, flush=True),
            on_step=stop,
        )
    return None


def main() -> None:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    for name in ("kit", "work", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--trial", action="store_true")
    go_on(parser.parse_args())


if __name__ == "__main__":
    main()
