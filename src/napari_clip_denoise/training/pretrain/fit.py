"""Training of a denoiser on clean images, according to a recipe."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.checkpoint import load_checkpoint, save_checkpoint
from napari_clip_denoise.training.data.augment import mix_up
from napari_clip_denoise.training.data.synthetic_patches import SyntheticPatches
from napari_clip_denoise.training.pretrain.encoders import calibrate
from napari_clip_denoise.training.pretrain.growth import fits, initial_weights
from napari_clip_denoise.training.pretrain.log import TrainingLog
from napari_clip_denoise.training.pretrain.losses import LOSSES
from napari_clip_denoise.training.pretrain.recipe import Recipe
from napari_clip_denoise.training.pretrain.rectifiers import RectifierGuard, alive
from napari_clip_denoise.training.trainer import Step, Trainer, update_average

LAST_STATE = "last.pt"
CALIBRATION_BATCHES = 8
LOG = "log.csv"
LOG_EVERY = 100
MIXED_BATCHES = 0.5
Batch = tuple[Tensor, Tensor | None, Tensor]
"""Noisy patches, the noise level if the network takes one, and clean patches."""


def train(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    device: str = "cpu",
    devices: int = 1,
    resume: bool = False,
    init_from: Denoiser | None = None,
    encoder: Callable[[], Encoder] | None = None,
    check: Callable[[Denoiser], float] | None = None,
    on_progress: Callable[[dict[str, float]], None] | None = None,
    on_step: Callable[[int], None] | None = None,
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
    init_from : Denoiser, optional
        Denoiser whose weights replace the random initial ones, see `initial_weights`. Its encoder
        must have the recipe's architecture, apart from the noise level as a further input.
    encoder : callable, optional
        Returns the encoder to train a decoder on. It is called once the data has been checked,
        and not at all if the training is resumed.
    check : callable, optional
        Returns a score for the denoiser with averaged weights; called whenever the state is
        saved.
    on_progress : callable, optional
        Called every hundred steps and whenever the state is saved, with step, loss, learning
        rate, seconds and, when the state is saved, the fraction of channels alive in F1 to F4 and
        the score. The same values are written to ``log.csv`` in `run`.
    on_step : callable, optional
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
    if init_from is not None and not fits(init_from.config, recipe.network):
        raise InputError(
            "The initial model has an encoder of another shape than the recipe's; choose "
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
    patches = training_patches(recipe, data)

    def draw(step: int) -> Batch:
        noisy, level, clean = _tensors(patches, recipe, step, fabric.global_rank, fabric.world_size)
        rng = np.random.default_rng([recipe.seed, step, fabric.global_rank])
        noisy, clean = mix_up(noisy, clean, rng, chance=MIXED_BATCHES, strength=settings.mixup)
        return fabric.to_device((noisy, level, clean))

    torch.manual_seed(recipe.seed)
    denoiser = Denoiser(recipe.network, settings.augmentation_level)
    if recipe.decoder_init == "torch":
        denoiser.decoder.init_as_published()
    elif recipe.decoder_init == "identity":
        nn.init.zeros_(denoiser.decoder.last.weight)
    if init_from is not None:
        denoiser.load_state_dict(initial_weights(denoiser, init_from, recipe.reinit))
    state = None
    if resume and state_path.exists():
        state = load_checkpoint(state_path, "start anew in another folder")
    else:
        if encoder is not None:
            denoiser.encoder.load_state_dict(encoder().state_dict())
        if settings.calibrate or recipe.batch_norm == "calibrate":
            whole = encoder is not None or init_from is None
            parts = ("encoder.",) if whole else recipe.reinit
            _calibrate(denoiser, recipe, patches, parts)
    denoiser.encoder.adapts = recipe.batch_norm == "adapt"
    denoiser.encoder.set_trainable(settings.train_encoder)
    guard = RectifierGuard(denoiser.encoder) if settings.alive else None

    def loss_of(network: nn.Module, batch: Batch) -> Tensor:
        noisy, level, clean = batch
        loss = LOSSES[settings.loss](network(noisy, level).float(), noisy, clean)
        return loss + settings.alive * guard.penalty() if guard else loss

    trainer: Trainer[Batch] = Trainer(fabric, denoiser, denoiser, settings, seed=recipe.seed)
    begun = {k: v.clone() for k, v in trainer.average.items() if settings.init_weight}
    if state is not None:
        begun = {k: v.to(fabric.device) for k, v in state.pop("begun").items()}
        trainer.resume(state)
    log = TrainingLog(run / LOG, trainer.done)

    def entry_of(step: Step[Batch], loss: float, *, keeps: bool) -> dict[str, float]:
        seconds = time.monotonic() - started
        entry = {"step": step.done, "loss": loss, "learning_rate": step.rate, "seconds": seconds}
        if keeps:
            averaged = trained_denoiser(recipe, trainer.average)
            noisy, level, _ = step.batch
            living = alive(averaged, noisy.cpu(), level if level is None else level.cpu())
            entry |= {f"alive_{depth}": fraction for depth, fraction in enumerate(living, 1)}
            if check:
                entry["score"] = check(averaged)
        return entry

    started = time.monotonic()
    losses: list[float] = []
    for step in trainer.steps(draw, loss_of, lambda n: n if n < settings.steps else None):
        if not fabric.is_global_zero:
            continue
        losses.append(step.loss.item())
        keeps = step.done % settings.checkpoint_every == 0 or step.done == settings.steps
        if step.done % LOG_EVERY == 0 or keeps:
            entry = entry_of(step, sum(losses) / len(losses), keeps=keeps)
            losses.clear()
            log.add(entry)
            if on_progress:
                on_progress(entry)
        if keeps:
            save_checkpoint(state_path, trainer.state() | {"begun": begun})
        if on_step:
            on_step(step.done)

    update_average(trainer.average, begun, 1 - settings.init_weight)
    return trained_denoiser(recipe, trainer.average)


@torch.no_grad()
def _calibrate(
    denoiser: Denoiser, recipe: Recipe, patches: SyntheticPatches, parts: tuple[str, ...]
) -> None:
    """Calibrate the parts of the encoder whose names start with one of `parts`."""
    batches = (_tensors(patches, recipe, step) for step in range(CALIBRATION_BATCHES))
    inputs = (denoiser.prepare(noisy, level)[1] for noisy, level, _ in batches)
    calibrate(denoiser.encoder, inputs, tuple(part.removeprefix("encoder.") for part in parts))


def _tensors(
    patches: SyntheticPatches, recipe: Recipe, step: int, rank: int = 0, ranks: int = 1
) -> Batch:
    noisy, level, clean = (torch.from_numpy(part) for part in patches.batch(step, rank, ranks))
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    return noisy, level if recipe.network.noise_level else None, clean


def training_patches(recipe: Recipe, data: Path) -> SyntheticPatches:
    """Return the patches of a recipe, from its image groups in the folder `data`."""
    return SyntheticPatches(
        recipe,
        data,
        channels=recipe.network.channels,
        crop=recipe.optimisation.crop,
        batch=recipe.optimisation.batch,
    )


def trained_denoiser(recipe: Recipe, weights: dict[str, Tensor]) -> Denoiser:
    """Create a recipe's denoiser with the given weights, frozen and in evaluation mode."""
    denoiser = Denoiser(recipe.network, recipe.optimisation.augmentation_level)
    denoiser.load_state_dict({name: value.cpu() for name, value in weights.items()})
    return denoiser.requires_grad_(False).eval()
