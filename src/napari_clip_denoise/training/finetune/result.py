"""What a fine-tuning came to: the model with its card, and whether it is better."""

import copy
from dataclasses import dataclass, replace

from torch import Tensor

from napari_clip_denoise.models.card import ModelCard, Score
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.training.finetune.plan import Material
from napari_clip_denoise.training.finetune.progress import decibels
from napari_clip_denoise.training.finetune.settings import FineTuneSettings
from napari_clip_denoise.training.finetune.state import State
from napari_clip_denoise.training.software import training_software

LEAST_GAIN = 2.0
"""Of a gain, in standard errors, to be more than chance."""


@dataclass(frozen=True)
class FineTuned:
    """What a fine-tuning came to.

    Attributes
    ----------
    model : Model
        The best decoder that was found, with its card; the start, where nothing was better.
    improved : bool
        Whether it beats the model at the start on the held-out patches, by more than chance.
    start, best : float
        Their scores: PSNR of the held-out patches in dB, on the network's scale.
    metric : str
        What these were taken against. Where there is no truth, the noise of the target is in
        both figures, so that they differ by little.
    n_better, n_held_out : int
        Held-out patches on which it is better, and their number.
    reason : str
        Which objective was used, and why.
    notes : tuple of str
        What else was found, a sentence each.
    steps : int
        Steps that were trained.
    seconds : float
        Time that they took.
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
    seconds: float

    def named(self, name: str) -> Model:
        """The model under another name."""
        card = self.model.card.model_copy(update={"name": name})
        return replace(self.model, card=card)

    @property
    def verdict(self) -> str:
        """Say how it went."""
        figures = (
            f"better on {self.n_better} of {self.n_held_out} held-out patches; {self.metric}: "
            f"{self.start:.2f} before, {self.best:.2f} now"
        )
        if self.improved:
            return f"The new model beats the one at the start ({figures})."
        return f"The new model does not beat the one at the start, stay with that ({figures})."


def conclude(
    parent: Model, start: Tensor, material: Material, settings: FineTuneSettings, state: State
) -> FineTuned:
    """Compare the best state with the start, and write the new model's card.

    Parameters
    ----------
    parent : Model
        The model at the start.
    start : Tensor
        Its error on each held-out patch.
    material, settings, state :
        What was learned from, how, and what it came to.
    """
    denoiser = copy.deepcopy(parent.denoiser)
    denoiser.decoder.load_state_dict(state.best)
    denoiser.requires_grad_(False).eval()
    gains = start - state.best_errors
    by_chance = float(gains.std() / len(gains) ** 0.5) if len(gains) > 1 else 0.0
    untouched = decibels(float(material.judge.untouched().mean()))
    before, best = decibels(float(start.mean())), decibels(float(state.best_errors.mean()))
    name = material.objective.name
    metric = f"PSNR against {material.judge.against} (dB)"
    held_out = f"{len(start)} held-out patches"
    scores = tuple(
        Score(data=what, noise=name, metric=metric, noisy=round(untouched, 2), denoised=round(v, 2))
        for what, v in ((held_out, best), (f"{held_out}, before fine-tuning", before))
    )
    card = ModelCard(
        name=settings.name,
        description=f"{parent.card.name}, its decoder fine-tuned ({name}) on {material.data}.",
        network=parent.card.network,
        encoder=parent.card.encoder,
        pad_multiple=parent.card.pad_multiple,
        halo=parent.card.halo,
        clamp=parent.card.clamp,
        intensity=settings.intensity if isinstance(settings.intensity, str) else "given",
        recipe={"fine_tuning": settings.model_dump(mode="json"), "objective": material.reason},
        data=material.data,
        noise=material.noise,
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
        reason=material.reason,
        notes=material.notes,
        steps=state.step,
        seconds=state.seconds,
    )
