"""Training loop of a fine-tuning."""

import copy
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from time import monotonic

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.data.augment import mix_up
from napari_clip_denoise.training.finetune.objectives import Example
from napari_clip_denoise.training.finetune.plan import Material
from napari_clip_denoise.training.finetune.progress import Control, Learning, Picture
from napari_clip_denoise.training.finetune.settings import SCHEDULE_TICKS, FineTuneSettings
from napari_clip_denoise.training.finetune.state import RunFolder, State
from napari_clip_denoise.training.finetune.validation import Judge
from napari_clip_denoise.training.pretrain.fit import (
    decay_of,
    learning_rate,
    make_optimiser,
    update_average,
)

Report = Callable[[Learning], None]


class AsInUse(nn.Module):
    """Denoiser for gray images as in a run: an RGB network receives them in all three channels."""

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (N, 1 or 3, Y, X)."""
        channels = self.denoiser.config.channels
        if noisy.shape[1] == channels:
            return self.denoiser(noisy)
        return self.denoiser(noisy.expand(-1, channels, -1, -1)).mean(dim=1, keepdim=True)


def learn(
    fabric: Fabric,
    parent: Model,
    has_decoder: bool,
    material: Material,
    settings: FineTuneSettings,
    state: State | None,
    folder: RunFolder,
    report: Report | None,
    control: Control,
) -> tuple[Tensor, State]:
    """Train the decoder.

    Parameters
    ----------
    fabric : Fabric
        Devices and precision.
    parent : Model
        The initial model.
    has_decoder : bool
        Whether the initial model has a trained decoder.
    material : Material
        Patches, objective and validation.
    settings : FineTuneSettings
        Settings of the training.
    state : State or None
        State to resume from.
    folder : RunFolder
        Folder that the state is saved to.
    report : callable or None
        Called with a `Learning` after each step.
    control : Control
        Stops or cancels the training.

    Returns
    -------
    start : Tensor
        Error of the initial model on each held-out patch.
    state : State
        State at the end.
    """
    objective, judge = material.objective, material.judge.to(fabric.device)
    denoiser = copy.deepcopy(parent.denoiser)
    denoiser.augmentation_level = (
        objective.augmentation_level
        if settings.augmentation_level is None
        else settings.augmentation_level
    )
    denoiser.decoder.requires_grad_(True)
    judged = AsInUse(copy.deepcopy(parent.denoiser)).to(fabric.device).eval()
    start = judge(judged, settings.batch) if has_decoder else judge.untouched()
    picture = _Pictures(judged, judge)
    if state is None:
        decoder = {k: v.detach().clone() for k, v in denoiser.decoder.state_dict().items()}
        state = State(decoder, copy.deepcopy(decoder), copy.deepcopy(decoder), start.cpu())
    denoiser.decoder.load_state_dict(state.decoder)
    optimisation = settings.optimisation(objective.learning_rate)
    network, optimiser = fabric.setup(
        AsInUse(denoiser).to(memory_format=torch.channels_last).train(),
        make_optimiser(denoiser, optimisation),
    )
    if state.optimiser:
        optimiser.load_state_dict(state.optimiser)
    average = {name: value.to(fabric.device) for name, value in state.average.items()}

    with closing(_prefetch(material, settings, fabric, state.step)) as examples:
        started = monotonic() - state.seconds
        for step, example in examples:
            seconds, is_stopped, is_cancelled = fabric.broadcast(
                (monotonic() - started, control.is_stopped, control.is_cancelled)
            )
            if is_cancelled:
                raise Cancelled("The fine-tuning was cancelled; nothing was kept.")
            share = _share(step, seconds, settings)
            if share >= 1 or is_stopped or state.stale >= settings.patience:
                break
            torch.manual_seed((settings.seed << 32) + step * settings.devices + fabric.global_rank)
            rate = learning_rate(int(share * SCHEDULE_TICKS), optimisation)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = objective.loss(network, example)
            optimiser.zero_grad(set_to_none=True)
            fabric.backward(loss)
            fabric.clip_gradients(
                network, optimiser, max_norm=settings.gradient_clip, error_if_nonfinite=False
            )
            optimiser.step()
            decay = decay_of(step, settings.average_decay)
            update_average(average, denoiser.decoder.state_dict(), decay)

            state.step, state.seconds = step + 1, fabric.broadcast(monotonic() - started)
            share = _share(state.step, state.seconds, settings)
            score = None
            if state.step % settings.judge_every == 0 or share >= 1:
                judged.denoiser.decoder.load_state_dict(average)
                errors = judge(judged, settings.batch).cpu()
                score = float(errors.mean())
                state.stale += 1
                if score < float(state.best_errors.mean()):
                    state.best_errors, state.stale = errors, 0
                    state.best = {name: value.cpu().clone() for name, value in average.items()}
                state.decoder = {k: v.cpu() for k, v in denoiser.decoder.state_dict().items()}
                state.average = {name: value.cpu() for name, value in average.items()}
                state.optimiser = optimiser.state_dict()
                if fabric.is_global_zero:
                    folder.save(state)
            if report and fabric.is_global_zero:
                report(
                    Learning(
                        step=state.step,
                        share=share,
                        seconds=state.seconds,
                        seconds_left=state.seconds * (1 - share) / share,
                        loss=loss.item(),
                        score=score,
                        best=float(state.best_errors.mean()),
                        start=float(start.mean()),
                        picture=None if score is None else picture.take(),
                    )
                )
    return start.cpu(), state


def _share(step: int, seconds: float, settings: FineTuneSettings) -> float:
    """Return the finished fraction of the training, by steps or by time, whichever is larger."""
    by_step = step / settings.steps if settings.steps else 0.0
    by_time = seconds / (60 * settings.minutes) if settings.minutes else 0.0
    return min(1.0, max(by_step, by_time))


def _prefetch(
    material: Material, settings: FineTuneSettings, fabric: Fabric, first: int
) -> Generator[tuple[int, Example]]:
    """Draw the next batch in a thread while the network works on this one, endlessly."""
    numbers = range(fabric.global_rank, settings.batch, fabric.world_size)
    objective = material.objective

    def draw(step: int) -> Example:
        first, second, rng = material.pool.batch(step, numbers, turn=objective.turns)
        example = objective.example(first, second, rng)
        if not objective.mixes:
            return example
        noisy, target = mix_up(example.noisy, example.target, rng, chance=settings.mixup)
        return replace(example, noisy=noisy, target=target)

    with ThreadPoolExecutor(1) as pool:
        step, ahead = first, pool.submit(draw, first)
        while True:
            current, ahead = ahead.result(), pool.submit(draw, step + 1)
            yield step, current.to(fabric.device)
            step += 1


class _Pictures:
    """Pictures of the held-out patch with the most content, denoised before and during training."""

    def __init__(self, judged: AsInUse, judge: Judge):
        spread = judge.noisy.flatten(1).std(dim=1)
        self._judged = judged
        self._noisy = judge.noisy[int(spread.argmax())][None]
        self._before = self._denoised()

    def take(self) -> Picture:
        """Denoise the patch with the current network."""
        return Picture(self._noisy[0, 0].cpu().numpy(), self._before, self._denoised())

    @torch.no_grad()
    def _denoised(self) -> np.ndarray:
        return self._judged(self._noisy)[0, 0].float().cpu().numpy()
