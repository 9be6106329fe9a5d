"""The training loop."""

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
from napari_clip_denoise.training.data.clean_images import PatchSource
from napari_clip_denoise.training.data.mixup import mix_up
from napari_clip_denoise.training.pretrain.encoders import calibrate
from napari_clip_denoise.training.pretrain.log import TrainingLog
from napari_clip_denoise.training.pretrain.recipe import Optimisation, Recipe

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
    """Train a denoiser by a recipe.

    The state is kept in `run` every ``checkpoint_every`` steps, and a resumed training sees
    the same patches as one that was never interrupted.

    Parameters
    ----------
    recipe : Recipe
        What to train, on what.
    data : Path
        Folder that holds the recipe's image groups.
    run : Path
        Folder for the state and the log, made if need be.
    device : str
        Kind of device: ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``.
    devices : int
        How many of them share each batch; on the CPU, processes of one thread each. Each
        process runs the calling program, so all but the command line guard against that.
    resume : bool
        Go on from the state in `run`.
    start : Denoiser, optional
        Begin with its weights instead of random ones. Its encoder has the recipe's shape;
        tensors of the decoder whose shape differs, as between grey and RGB, begin at random.
    encoder : callable, optional
        Gets the encoder that a decoder is trained on, once the data was found to be usable; not
        called where a training goes on.
    check : callable, optional
        Gives the denoiser, with the average of the weights, a score each time the state is
        kept.
    report : callable, optional
        Gets step, loss, learning rate, seconds and, where there are any, the features' distance
        and the score every hundred steps and each time the state is kept; so does ``log.csv`` in
        `run`.
    tick : callable, optional
        Gets the number of steps done after each; what it raises ends the training.

    Returns
    -------
    Denoiser
        With the average of the weights, in evaluation mode, on the CPU.

    Raises
    ------
    InputError
        If the data cannot be used, or `run` holds a training and `resume` is not set.
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
    patches = PatchSource(recipe, data)

    torch.manual_seed(recipe.seed)
    denoiser = Denoiser(recipe.network, settings.augmentation_level)
    if start is not None:
        own = denoiser.state_dict()
        given = start.state_dict().items()
        fitting = {
            k: v
            for k, v in given
            if k in own and v.shape == own[k].shape and not k.startswith(recipe.renewed)
        }
        denoiser.load_state_dict(fitting, strict=False)
    if settings.calibrate:
        batches = (torch.from_numpy(patches.batch(step)[0]) for step in range(CALIBRATION_BATCHES))
        parts = tuple(name.removeprefix("encoder.") for name in recipe.renewed) if start else ("",)
        calibrate(denoiser.encoder, map(denoiser.first, batches), parts)
    state = None
    if resume and state_path.exists():
        state = torch.load(state_path, map_location=fabric.device, weights_only=True)
    elif encoder is not None:
        denoiser.encoder.load_state_dict(encoder().state_dict())
    denoiser.encoder.requires_grad_(settings.train_encoder)
    denoiser.to(memory_format=torch.channels_last).train()
    model, optimiser = fabric.setup(denoiser, make_optimiser(denoiser, settings))
    average = {name: p.detach().clone() for name, p in denoiser.state_dict().items()}
    begun = {name: value.clone() for name, value in average.items() if settings.start_share}
    first = 0
    if state is not None:
        denoiser.load_state_dict(state["denoiser"])
        optimiser.load_state_dict(state["optimizer"])
        average, begun, first = state["average"], state["begun"], state["step"]
    log = TrainingLog(run / LOG, first)

    started = time.monotonic()
    losses: list[float] = []
    for step, (noisy, clean) in _prefetch(patches, fabric, first, settings.steps):
        torch.manual_seed((recipe.seed * settings.steps + step) * devices + fabric.global_rank)
        rate = learning_rate(step, settings)
        for group in optimiser.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([recipe.seed, step, fabric.global_rank])
        noisy, clean = mix_up(noisy, clean, rng, chance=MIXED_BATCHES, strength=settings.mixup)
        loss = LOSSES[settings.loss](model(noisy).float() - clean)
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(loss)
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

    update_average(average, begun, 1 - settings.start_share)
    return trained_denoiser(recipe, average)


def make_optimiser(denoiser: Denoiser, settings: Optimisation) -> torch.optim.Optimizer:
    """Make a recipe's optimiser for all weights that ask for a gradient."""
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
    """Build a recipe's denoiser with the given weights, frozen and in evaluation mode."""
    denoiser = Denoiser(recipe.network, recipe.optimisation.augmentation_level)
    denoiser.load_state_dict({name: value.cpu() for name, value in weights.items()})
    return denoiser.requires_grad_(False).eval()


def root_mean_square(error: Tensor) -> Tensor:
    """Average over the batch the root of each patch's mean squared error.

    Its minimiser is the conditional mean, so intensities stay unbiased, and unlike the mean
    square it weighs weak and strong noise alike.
    """
    return (error.square().mean(dim=(1, 2, 3)) + 1e-6).sqrt().mean()


def mean_absolute(error: Tensor) -> Tensor:
    """Average the absolute error, as the paper does."""
    return error.abs().mean()


LOSSES = {"rms": root_mean_square, "l1": mean_absolute}


def learning_rate(step: int, settings: Optimisation) -> float:
    """Rate of a step: linear warm-up, then down to the final rate as the schedule says."""
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


def _prefetch(
    patches: PatchSource, fabric: Fabric, first: int, last: int
) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
    """Draw the next batch in a thread while the network works on this one."""

    def draw(step: int) -> tuple[Tensor, Tensor]:
        sides = patches.batch(step, fabric.global_rank, fabric.world_size)
        noisy, clean = (torch.from_numpy(side) for side in sides)
        return noisy.contiguous(memory_format=torch.channels_last), clean

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(draw, first)
        for step in range(first, last):
            current = ahead.result()
            if step + 1 < last:
                ahead = pool.submit(draw, step + 1)
            yield step, fabric.to_device(current)


def decay_of(step: int, decay: float) -> float:
    """Decay of a running average at a step: the first weights are soon forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """Bring a running average of weights up to date, in place."""
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
