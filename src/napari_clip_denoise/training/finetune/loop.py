"""Training of a decoder on a user's images: time limit, validation and state."""

import copy
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.inference import predict
from napari_clip_denoise.training.data.augment import mix_up
from napari_clip_denoise.training.finetune.objective import Example
from napari_clip_denoise.training.finetune.plan import Plan
from napari_clip_denoise.training.finetune.progress import Control, Learning, Picture
from napari_clip_denoise.training.finetune.settings import SCHEDULE_TICKS, FineTuneSettings
from napari_clip_denoise.training.finetune.state import RunFolder, State
from napari_clip_denoise.training.finetune.validation import Validator
from napari_clip_denoise.training.trainer import Trainer

OnProgress = Callable[[Learning], None]


class AsInUse(nn.Module):
    """Denoiser for gray images as in a run: an RGB network receives them in all three channels."""

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, noisy: Tensor, level: Tensor | None = None) -> Tensor:
        """Denoise (N, 1 or 3, Y, X) of the noise level (N, 1, Y, X)."""
        channels = self.denoiser.config.channels
        if noisy.shape[1] == channels:
            return self.denoiser(noisy, level)
        gray = noisy.expand(-1, channels, -1, -1)
        return self.denoiser(gray, level).mean(dim=1, keepdim=True)


class FineTuning:
    """One fine-tuning: the trainer, the time limit, and validation at intervals.

    Parameters
    ----------
    fabric : Fabric
        Devices and precision.
    parent : Model
        The initial model.
    has_decoder : bool
        Whether the initial model has a trained decoder.
    plan : Plan
        Patches, objective and validation.
    settings : FineTuneSettings
        Settings of the training.
    folder : RunFolder
        Folder that the state is saved to.
    state : State or None
        State to resume from.

    Attributes
    ----------
    start : Tensor
        Error of the initial model on each held-out patch.
    state : State
        State after the last validation, or at the end.
    """

    def __init__(
        self,
        fabric: Fabric,
        parent: Model,
        has_decoder: bool,
        plan: Plan,
        settings: FineTuneSettings,
        folder: RunFolder,
        state: State | None,
    ):
        self.fabric, self.plan, self.settings, self.folder = fabric, plan, settings, folder
        self._validator = plan.validator.to(fabric.device)
        self._validated = AsInUse(copy.deepcopy(parent.denoiser)).to(fabric.device).eval()
        errors = (
            self._validator(self._validated, settings.batch)
            if has_decoder
            else self._validator.untouched()
        )
        self.start = errors.cpu()
        self._picture = _Pictures(self._validated, self._validator)
        denoiser = copy.deepcopy(parent.denoiser)
        level = settings.augmentation_level
        denoiser.augmentation_level = plan.objective.augmentation_level if level is None else level
        denoiser.decoder.requires_grad_(True)
        self._trainer: Trainer[Example] = Trainer(
            fabric,
            AsInUse(denoiser),
            denoiser.decoder,
            settings.optimisation(plan.objective.learning_rate),
            seed=settings.seed,
            refuse_nonfinite=False,
        )
        if state is None:
            best = {name: value.cpu().clone() for name, value in self._trainer.average.items()}
            state = State(self._trainer.state(), best, self.start)
        else:
            self._trainer.resume(state.trainer)
        self.state = state

    def run(self, on_progress: OnProgress | None, control: Control) -> None:
        """Train until time or steps are used up, or until it no longer helps.

        The held-out patches are scored at intervals, and at the end, whatever ends it.

        Parameters
        ----------
        on_progress : callable or None
            Called with a `Learning` after each step.
        control : Control
            Stops or cancels the training.

        Raises
        ------
        Cancelled
            If `control` was cancelled.
        """
        started = monotonic() - self.state.seconds

        def position(step: int) -> int | None:
            seconds, is_stopped, is_cancelled = self.fabric.broadcast(
                (monotonic() - started, control.is_stopped, control.is_cancelled)
            )
            if is_cancelled:
                raise Cancelled("The fine-tuning was cancelled; nothing was kept.")
            fraction = _fraction(step, seconds, self.settings)
            if fraction >= 1 or is_stopped or self.state.stale >= self.settings.patience:
                return None
            return int(fraction * SCHEDULE_TICKS)

        report = on_progress if self.fabric.is_global_zero else None
        is_scored = True
        for step in self._trainer.steps(self._draw, self.plan.objective.loss, position):
            self.state.seconds = self.fabric.broadcast(monotonic() - started)
            fraction = _fraction(step.done, self.state.seconds, self.settings)
            score = None
            if step.done % self.settings.validate_every == 0 or fraction >= 1:
                score = self._validate()
            is_scored = score is not None
            if report:
                report(self._learning(step.done, step.loss.item(), fraction, score))
        if not is_scored:
            score = self._validate()
            if report:
                report(self._learning(self.state.step, None, 1.0, score))
        self.state.trainer = self._trainer.state()

    def _draw(self, step: int) -> Example:
        fabric, objective = self.fabric, self.plan.objective
        numbers = range(fabric.global_rank, self.settings.batch, fabric.world_size)
        patches, rng = self.plan.pool.batch(step, numbers, allow_rot90=objective.allow_rot90)
        example = objective.example(patches, rng)
        if objective.allow_mixup and example.level is None:
            noisy, target = mix_up(example.noisy, example.target, rng, chance=self.settings.mixup)
            example = replace(example, noisy=noisy, target=target)
        return example.to(fabric.device)

    def _validate(self) -> float:
        """Score the averaged decoder, keep it if it is the best so far, and save the state."""
        state = self.state
        self._validated.denoiser.decoder.load_state_dict(self._trainer.average)
        errors = self._validator(self._validated, self.settings.batch).cpu()
        score = float(errors.mean())
        state.stale += 1
        if score < float(state.best_errors.mean()):
            state.best_errors, state.stale = errors, 0
            state.best = {k: v.cpu().clone() for k, v in self._trainer.average.items()}
        state.trainer = self._trainer.state()
        if self.fabric.is_global_zero:
            self.folder.save(state)
        return score

    def _learning(
        self, step: int, loss: float | None, fraction: float, score: float | None
    ) -> Learning:
        return Learning(
            step=step,
            fraction=fraction,
            seconds=self.state.seconds,
            seconds_left=self.state.seconds * (1 - fraction) / fraction,
            loss=loss,
            score=score,
            best=float(self.state.best_errors.mean()),
            start=float(self.start.mean()),
            picture=None if score is None else self._picture.take(),
        )


def _fraction(step: int, seconds: float, settings: FineTuneSettings) -> float:
    """Return the finished fraction of the training, by steps or by time, whichever is larger."""
    by_step = step / settings.steps if settings.steps else 0.0
    by_time = seconds / (60 * settings.minutes) if settings.minutes else 0.0
    return min(1.0, max(by_step, by_time))


class _Pictures:
    """Pictures of the held-out patch with the most content, denoised before and during training."""

    def __init__(self, network: AsInUse, validator: Validator):
        spread = validator.noisy.flatten(1).std(dim=1)
        self._network = network
        chosen = int(spread.argmax())
        self._noisy = validator.noisy[chosen][None]
        self._level = None if validator.level is None else validator.level[chosen][None]
        self._before = self._denoised()

    def take(self) -> Picture:
        """Denoise the patch with the current network."""
        return Picture(self._noisy[0, 0].cpu().numpy(), self._before, self._denoised())

    @torch.no_grad()
    def _denoised(self) -> np.ndarray:
        return predict(self._network, self._noisy, self._level)[0, 0].float().cpu().numpy()
