"""Result of a fine-tuning: the model with its card, and a comparison with the initial model."""

import copy
from dataclasses import dataclass, replace

from torch import Tensor

from napari_clip_denoise.formatting import counted
from napari_clip_denoise.models.card import ModelCard, Score
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.training.finetune.plan import Plan
from napari_clip_denoise.training.finetune.progress import decibels
from napari_clip_denoise.training.finetune.settings import FineTuneSettings
from napari_clip_denoise.training.finetune.state import State
from napari_clip_denoise.training.software import training_software

LEAST_GAIN = 2.0
"""Minimum gain, in standard errors, that counts as more than chance."""


@dataclass(frozen=True)
class FineTuned:
    """Result of a fine-tuning.

    Attributes
    ----------
    model : Model
        The best model found, with its card; the initial model if nothing was better.
    improved : bool
        Whether the model is better than the initial one on the held-out patches, by more than
        chance.
    start, best : float
        Scores of the initial and the best model: PSNR of the held-out patches in dB, on the
        network's scale.
    metric : str
        Description of the reference for the scores. Without a truth, both scores include the noise
        of the target, so they differ little.
    n_better, n_held_out : int
        Number of held-out patches on which the model is better, and of all held-out patches.
    reason : str
        The objective used and the reason for it.
    notes : tuple of str
        Further findings, one sentence each.
    steps, least_steps : int
        Number of training steps, and the number below which the lack of a gain tells nothing.
    seconds : float
        Training time in seconds.
    """

    model: Model
    improved: bool
    start: float
    best: float
    metric: str
    n_better: int
    n_held_out: int
    reason: str
    notes: tuple[str, ...]
    steps: int
    least_steps: int
    seconds: float

    def named(self, name: str) -> Model:
        """Return the model under another name."""
        card = self.model.card.model_copy(update={"name": name})
        return replace(self.model, card=card)

    @property
    def verdict(self) -> str:
        """Return a summary of the result in words."""
        metric = self.metric.removesuffix(" (dB)")
        figures = (
            f"better on {self.n_better} of {self.n_held_out} validation patches; {metric}: "
            f"{self.start:.2f} dB before, {self.best:.2f} dB now"
        )
        if self.best == self.start:
            figures = f"it scored no better at any time; {metric}: {self.start:.2f} dB"
        if self.improved:
            return f"The new model is better than the base model ({figures})."
        if not self.steps:
            return "The training ended before its first step; let it train longer."
        if self.steps < self.least_steps:
            return (
                f"After {counted(self.steps, 'step')} it is too early to tell whether fine-tuning "
                f"helps; let it train longer, for {self.least_steps} steps or more ({figures})."
            )
        return f"The new model is not better than the base model; keep using that one ({figures})."


def conclude(
    parent: Model, start: Tensor, plan: Plan, settings: FineTuneSettings, state: State
) -> FineTuned:
    """Compare the best state with the initial model, and write the card of the new model.

    Parameters
    ----------
    parent : Model
        The initial model.
    start : Tensor
        Error of the initial model on each held-out patch.
    plan : Plan
        Training data, objective and validation.
    settings : FineTuneSettings
        Settings of the fine-tuning.
    state : State
        State at the end of the training.

    Returns
    -------
    FineTuned
        The result.
    """
    denoiser = copy.deepcopy(parent.denoiser)
    denoiser.decoder.load_state_dict(state.best)
    denoiser.requires_grad_(False).eval()
    gains = start - state.best_errors
    by_chance = float(gains.std() / len(gains) ** 0.5) if len(gains) > 1 else 0.0
    untouched = decibels(float(plan.validator.untouched().mean()))
    before, best = decibels(float(start.mean())), decibels(float(state.best_errors.mean()))
    name = plan.objective.name
    metric = f"PSNR against {plan.validator.against} (dB)"
    held_out = f"{len(start)} held-out patches"
    scores = tuple(
        Score(data=what, noise=name, metric=metric, noisy=round(untouched, 2), denoised=round(v, 2))
        for what, v in ((held_out, best), (f"{held_out}, before fine-tuning", before))
    )
    card = ModelCard(
        name=settings.name,
        description=f"{parent.card.name}, its decoder fine-tuned ({name}) on {plan.data}.",
        network=parent.card.network,
        encoder=parent.card.encoder,
        pad_multiple=parent.card.pad_multiple,
        halo=parent.card.halo,
        clamp=parent.card.clamp,
        intensity=settings.intensity if isinstance(settings.intensity, str) else "given",
        recipe={"fine_tuning": settings.model_dump(mode="json"), "objective": plan.reason},
        data=plan.data,
        noise=plan.noise,
        seed=settings.seed,
        scores=scores,
        software=training_software(),
        licence=parent.card.licence,
        parent_sha256=parent.sha256,
    )
    return FineTuned(
        model=Model(card, denoiser),
        improved=float(gains.mean()) > LEAST_GAIN * by_chance,
        start=before,
        best=best,
        metric=metric,
        n_better=int((gains > 0).sum()),
        n_held_out=len(gains),
        reason=plan.reason,
        notes=plan.notes,
        steps=state.step,
        least_steps=settings.validate_every,
        seconds=state.seconds,
    )
