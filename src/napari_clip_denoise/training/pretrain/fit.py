"""Training loop for recipes."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from timm.optim.muon import Muon
from torch import Tensor

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.data.augment import mix_up
from napari_clip_denoise.training.data.synthetic_patches import SyntheticPatches
from napari_clip_denoise.training.pretrain.encoders import calibrate
from napari_clip_denoise.training.pretrain.log import TrainingLog
from napari_clip_denoise.training.pretrain.losses import LOSSES
from napari_clip_denoise.training.pretrain.recipe import Optimisation, Recipe
from napari_clip_denoise.training.pretrain.rectifiers import RectifierGuard, alive

LAST_STATE = "last.pt"
CALIBRATION_BATCHES = 8
LOG = "log.csv"
LOG_EVERY = 100
MIXED_BATCHES = 0.5


def train(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    device: str = "cpu",
    devices: int = 1,
    resume: bool = False,
    start: Denoiser | None = None,
    encoder: Callable[[], Encoder] | None = None,
    check: Callable[[Denoiser], float] | None = None,
    report: Callable[[dict[str, float]], None] | None = None,
    tick: Callable[[int], None] | None = None,
) -> Denoiser:
    """Train a denoiser according to a recipe.

    The state is saved in `run` every ``checkpoint_every`` steps. A resumed training sees the same
    patches as an uninterrupted one.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    data : Path
        Folder that contains the recipe's image groups.
    run : Path
        Folder for the state and the log, created if needed.
    device : str
        Kind of device: ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``.
    devices : int
        Number of devices that each batch is divided among; on the CPU, the number of processes
        with one thread each. Every process runs the calling program, so a script must guard its
        main code; the command line does so already.
    resume : bool
        Whether to continue from the state in `run`.
    start : Denoiser, optional
        Denoiser whose weights replace the random initial ones. Its encoder must have the
        recipe's architecture; decoder tensors of a different shape, as between gray and RGB, are
        initialised randomly.
    encoder : callable, optional
        Returns the encoder to train a decoder on. It is called once the data has been checked,
        and not at all if the training is resumed.
    check : callable, optional
        Returns a score for the denoiser with averaged weights; called whenever the state is
        saved.
    report : callable, optional
        Called every hundred steps and whenever the state is saved, with step, loss, learning
        rate, seconds and, if available, the feature distance and the score. The same values are
        written to ``log.csv`` in `run`.
    tick : callable, optional
        Called after each step with the number of finished steps; an exception raised by it ends
        the training.

    Returns
    -------
    Denoiser
        Denoiser with averaged weights, in evaluation mode, on the CPU.

    Raises
    ------
    InputError
        If the data cannot be used, or if `run` contains a training and `resume` is not set.
    """
    settings = recipe.optimisation
    if settings.batch % devices:
        raise InputError(f"A batch of {settings.batch} cannot be shared by {devices} devices.")
    if start is not None and start.config.encoder != recipe.network.encoder:
        raise InputError(
            "The model to start from has an encoder of another shape than the recipe's; choose "
            "another model."
        )
    run.mkdir(parents=True, exist_ok=True)
    state_path = run / LAST_STATE
    if state_path.exists() and not resume:
        raise InputError(f"{run} already holds a training; resume it or choose another folder.")
    fabric = Fabric(
        accelerator=device,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    patches = recipe.patches(data)

    torch.manual_seed(recipe.seed)
    denoiser = Denoiser(recipe.network, settings.augmentation_level)
    if start is not None:
        own = denoiser.state_dict()
        given = start.state_dict().items()
        fitting = {
            k: v
            for k, v in given
            if k in own and v.shape == own[k].shape and not k.startswith(recipe.reinit)
        }
        denoiser.load_state_dict(fitting, strict=False)
    if settings.calibrate:
        parts = tuple(name.removeprefix("encoder.") for name in recipe.reinit) if start else ("",)
        with torch.no_grad():
            calibrate(
                denoiser.encoder,
                (
                    denoiser.prepare(noisy, level)[1]
                    for noisy, level, _ in (
                        _tensors(patches, recipe, step) for step in range(CALIBRATION_BATCHES)
                    )
                ),
                parts,
            )
    state = None
    if resume and state_path.exists():
        state = torch.load(state_path, map_location=fabric.device, weights_only=True)
    elif encoder is not None:
        denoiser.encoder.load_state_dict(encoder().state_dict())
    denoiser.encoder.set_trainable(settings.train_encoder)
    guard = RectifierGuard(denoiser.encoder) if settings.alive else None
    denoiser.to(memory_format=torch.channels_last).train()
    model, optimiser = fabric.setup(denoiser, make_optimiser(denoiser, settings))
    average = {name: p.detach().clone() for name, p in denoiser.state_dict().items()}
    begun = {name: value.clone() for name, value in average.items() if settings.init_weight}
    first = 0
    if state is not None:
        denoiser.load_state_dict(state["denoiser"])
        optimiser.load_state_dict(state["optimizer"])
        average, begun, first = state["average"], state["begun"], state["step"]
    log = TrainingLog(run / LOG, first)

    started = time.monotonic()
    losses: list[float] = []
    for step, (noisy, level, clean) in _prefetch(patches, recipe, fabric, first, settings.steps):
        torch.manual_seed((recipe.seed * settings.steps + step) * devices + fabric.global_rank)
        rate = learning_rate(step, settings)
        for group in optimiser.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([recipe.seed, step, fabric.global_rank])
        noisy, clean = mix_up(noisy, clean, rng, chance=MIXED_BATCHES, strength=settings.mixup)
        loss = LOSSES[settings.loss](model(noisy, level).float(), noisy, clean)
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(loss + settings.alive * guard.penalty() if guard else loss)
        fabric.clip_gradients(model, optimiser, max_norm=settings.gradient_clip)
        optimiser.step()
        update_average(average, denoiser.state_dict(), decay_of(step, settings.average_decay))

        if not fabric.is_global_zero:
            continue
        losses.append(loss.item())
        done = step + 1
        keeps = done % settings.checkpoint_every == 0 or done == settings.steps
        if done % LOG_EVERY == 0 or keeps:
            entry = {
                "step": done,
                "loss": sum(losses) / len(losses),
                "learning_rate": rate,
                "seconds": time.monotonic() - started,
            }
            if keeps:
                shares = alive(trained_denoiser(recipe, average), noisy.cpu(), _to_cpu(level))
                entry |= {f"alive_{depth}": share for depth, share in enumerate(shares, 1)}
            if check and keeps:
                entry["score"] = check(trained_denoiser(recipe, average))
            losses.clear()
            log.add(entry)
            if report:
                report(entry)
        if keeps:
            kept = {
                "step": done,
                "denoiser": denoiser.state_dict(),
                "average": average,
                "begun": begun,
                "optimizer": optimiser.state_dict(),
            }
            torch.save(kept, state_path.with_suffix(".partial"))
            state_path.with_suffix(".partial").replace(state_path)
        if tick:
            tick(done)

    update_average(average, begun, 1 - settings.init_weight)
    return trained_denoiser(recipe, average)


def make_optimiser(denoiser: Denoiser, settings: Optimisation) -> torch.optim.Optimizer:
    """Create a recipe's optimiser for all weights that require a gradient."""
    weights = {name: p for name, p in denoiser.named_parameters() if p.requires_grad}
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "muon":
        left = [name for name in weights if name.startswith(settings.fallback)]
        taken = [p for name, p in weights.items() if name not in left]
        groups: list[dict[str, Any]] = [{"params": taken}]
        if left:
            groups.append({"params": [weights[name] for name in left], "use_fallback": True})
        return Muon(
            groups,
            lr=rate,
            weight_decay=decay,
            nesterov=True,
            fallback_lr_scale=settings.fallback_rate,
        )
    return torch.optim.AdamW(weights.values(), lr=rate, weight_decay=decay)


def trained_denoiser(recipe: Recipe, weights: dict[str, Tensor]) -> Denoiser:
    """Create a recipe's denoiser with the given weights, frozen and in evaluation mode."""
    denoiser = Denoiser(recipe.network, recipe.optimisation.augmentation_level)
    denoiser.load_state_dict({name: value.cpu() for name, value in weights.items()})
    return denoiser.requires_grad_(False).eval()


def learning_rate(step: int, settings: Optimisation) -> float:
    """Return the learning rate of a step: linear warm-up, then decay according to the schedule."""
    if settings.schedule == "restarts":
        return _rate_with_restarts(step, settings)
    if step < settings.warm_up:
        return settings.learning_rate * (step + 1) / settings.warm_up
    progress = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    if settings.schedule == "cosine":
        share = (1 + math.cos(math.pi * progress)) / 2
    else:
        share = min(1.0, (1 - progress) / settings.cool_down)
    return settings.final_learning_rate + share * (
        settings.learning_rate - settings.final_learning_rate
    )


def _rate_with_restarts(step: int, settings: Optimisation) -> float:
    begin = 0
    for period, minimum in zip(settings.periods, settings.minima, strict=True):
        if step < begin + period:
            share = (1 + math.cos(math.pi * (step - begin) / period)) / 2
            return minimum + share * (settings.learning_rate - minimum)
        begin += period
    return settings.minima[-1]


def _tensors(
    patches: SyntheticPatches, recipe: Recipe, step: int, rank: int = 0, ranks: int = 1
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Draw a batch: noisy patches, the level if the network takes one, and clean patches."""
    noisy, level, clean = (torch.from_numpy(part) for part in patches.batch(step, rank, ranks))
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    return noisy, level if recipe.network.noise_level else None, clean


def _prefetch(
    patches: SyntheticPatches, recipe: Recipe, fabric: Fabric, first: int, last: int
) -> Iterator[tuple[int, tuple[Tensor, Tensor | None, Tensor]]]:
    """Draw the next batch in a thread while the network works on this one."""

    def draw(step: int) -> tuple[Tensor, Tensor | None, Tensor]:
        return _tensors(patches, recipe, step, fabric.global_rank, fabric.world_size)

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(draw, first)
        for step in range(first, last):
            current = ahead.result()
            if step + 1 < last:
                ahead = pool.submit(draw, step + 1)
            yield step, fabric.to_device(current)


def _to_cpu(level: Tensor | None) -> Tensor | None:
    return None if level is None else level.cpu()


def decay_of(step: int, decay: float) -> float:
    """Return the decay of a running average at a step; it is lower at first."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """Update a running average of weights in place.

    Parameters
    ----------
    average : dict
        Running average by name, changed in place.
    weights : dict
        Current weights by name.
    decay : float
        Weight of the old average, from 0 to 1.
    """
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
