"""Fine-tuning of the decoder on a lab's own images; the encoder is frozen."""

import copy
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities import rank_zero_only
from torch import Tensor, nn

from napari_clip_denoise.errors import Cancelled, InputError
from napari_clip_denoise.models.card import EncoderCard, ModelCard, Score
from napari_clip_denoise.models.checkpoint import Model, tensors_sha256
from napari_clip_denoise.models.clip import load_clip_encoder
from napari_clip_denoise.models.registry import CLIP_MODEL, entries, load
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.finetune_progress import Control, Learning, Picture, decibels
from napari_clip_denoise.training.finetune_settings import (
    SCHEDULE_TICKS,
    FineTuneSettings,
    make_fine_tune_settings,
)
from napari_clip_denoise.training.finetune_state import RunFolder, State, fingerprint
from napari_clip_denoise.training.fit import learning_rate, make_optimiser, update_average
from napari_clip_denoise.training.material import Material, gather
from napari_clip_denoise.training.objectives import Example

MIX = 1.2
FROM_SCRATCH = DenoiserConfig(channels=1, align_corners=False, residual=True)
"""Shape of a denoiser on CLIP's encoder that has no decoder yet."""
Report = Callable[[Learning], None]


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


def fine_tune(
    noisy: Any = None,
    *,
    clean: Any = None,
    repeats: Any = None,
    settings: FineTuneSettings | None = None,
    axes: str | None = None,
    run: str | Path | None = None,
    restart: bool = False,
    clip_weights: str | Path | None = None,
    begin: Callable[[str, tuple[str, ...]], None] | None = None,
    report: Report | None = None,
    control: Control | None = None,
    **values: Any,
) -> FineTuned:
    """Fine-tune a model's decoder on one's own images. Its encoder stays as it is.

    Parameters
    ----------
    noisy, clean, repeats : str, Path, array-like, Stack or sequence of these, optional
        Noisy images, clean ones of the same fields, and further noisy ones of the same fields.
        Files, stores and folders are opened by path; patches are read when they are needed.
    settings : FineTuneSettings, optional
        See there; or give its `values` by name, such as ``minutes=5``.
    axes : str, optional
        One letter a dimension, the same for all images; inferred if not given.
    run : str or Path, optional
        Folder that keeps the state, so that a training that was interrupted goes on when the
        same call is made again. It is removed in the end.
    restart : bool
        Throw away a state that is there.
    clip_weights : str or Path, optional
        Local file with CLIP's RN50 weights, see `load`.
    begin : callable, optional
        Gets which objective was chosen and why, and notes, before the first step.
    report : callable, optional
        Gets a `Learning` after each step.
    control : Control, optional
        Stops or cancels it.

    Returns
    -------
    FineTuned
        The model and whether it is better; nothing is saved.

    Raises
    ------
    InputError, ModelError, OutputError
        With one sentence on what is wrong and what to do.
    Cancelled
        If `control` says so.

    Examples
    --------
    >>> result = fine_tune("my_stack.ome.zarr", name="my-scope", minutes=15)  # doctest: +SKIP
    >>> print(result.reason, result.verdict)  # doctest: +SKIP
    >>> install(result.model)  # doctest: +SKIP
    """
    settings = settings or make_fine_tune_settings(**values)
    if settings.batch % settings.devices:
        raise InputError(
            f"A batch of {settings.batch} cannot be shared by {settings.devices} devices."
        )
    parent, has_decoder = starting_model(settings, clip_weights)
    rgb = parent.card.network.channels == 3
    material = gather(noisy, clean, repeats, settings, axes=axes, rgb=rgb)
    folder = RunFolder(
        Path(run) if run else None,
        fingerprint(settings, parent.sha256, material.data, material.objective.name),
    )
    fabric = Fabric(
        accelerator=settings.device,
        devices=settings.devices,
        strategy="ddp" if settings.devices > 1 else "auto",
        precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    if begin and fabric.is_global_zero:
        begin(material.reason, material.notes)
    state = folder.load(restart=restart)
    try:
        start, state = _learn(
            fabric, parent, has_decoder, material, settings, state, folder, report,
            control or Control(),
        )  # fmt: skip
    except Cancelled:
        if fabric.is_global_zero:
            folder.remove()
        raise
    finally:
        if fabric.device.type == "cuda":
            torch.cuda.empty_cache()
    if fabric.is_global_zero:
        folder.remove()
    return _result(parent, start, material, settings, state)


def is_first_process() -> bool:
    """Whether this is the first, or only, of the processes that share a training."""
    return getattr(rank_zero_only, "rank", 0) == 0


def starting_model(
    settings: FineTuneSettings, clip_weights: str | Path | None = None
) -> tuple[Model, bool]:
    """Load the model to begin with, and tell whether it has a decoder.

    ``clip-rn50`` may have none: then a random one is put on CLIP's encoder.
    """
    if settings.model != CLIP_MODEL or CLIP_MODEL in {entry.name for entry in entries()}:
        return load(settings.model, clip_weights=clip_weights), True
    encoder = load_clip_encoder(clip_weights)
    torch.manual_seed(settings.seed)
    denoiser = Denoiser(replace(FROM_SCRATCH, encoder=encoder.config))
    denoiser.encoder.load_state_dict(encoder.state_dict())
    assert isinstance(denoiser.first, nn.Conv2d)
    nn.init.ones_(denoiser.first.weight)
    nn.init.zeros_(denoiser.decoder.last.weight)
    card = ModelCard(
        name=CLIP_MODEL,
        network=denoiser.config,
        encoder=EncoderCard(
            source="CLIP RN50 of OpenAI, through open_clip",
            sha256=tensors_sha256(encoder.state_dict()),
            included=False,
        ),
        halo=96,
    )
    return Model(card, denoiser.requires_grad_(False).eval()), False


class AsInUse(nn.Module):
    """A denoiser that takes grey images as a run does: an RGB network sees them three times."""

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (N, 1 or 3, Y, X)."""
        channels = self.denoiser.config.channels
        if noisy.shape[1] == channels:
            return self.denoiser(noisy)
        return self.denoiser(noisy.expand(-1, channels, -1, -1)).mean(dim=1, keepdim=True)


def _learn(
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
    """Train the decoder; give the errors of the start and the state at the end."""
    objective, judge = material.objective, material.judge.to(fabric.device)
    started = monotonic()

    denoiser = copy.deepcopy(parent.denoiser)
    denoiser.augmentation_level = settings.augmentation_level
    denoiser.decoder.requires_grad_(True)
    judged = AsInUse(copy.deepcopy(parent.denoiser)).to(fabric.device).eval()
    start = judge(judged, settings.batch) if has_decoder else judge.untouched()
    picture = _Pictures(judged, judge)
    if state is None:
        decoder = {k: v.detach().clone() for k, v in denoiser.decoder.state_dict().items()}
        state = State(decoder, copy.deepcopy(decoder), copy.deepcopy(decoder), start.cpu())
    denoiser.decoder.load_state_dict(state.decoder)
    optimisation = settings.optimisation
    network, optimiser = fabric.setup(
        AsInUse(denoiser).to(memory_format=torch.channels_last).train(),
        make_optimiser(denoiser, optimisation),
    )
    if state.optimiser:
        optimiser.load_state_dict(state.optimiser)
    average = {name: value.to(fabric.device) for name, value in state.average.items()}
    started -= state.seconds

    with closing(_prefetch(material, settings, fabric, state.step)) as examples:
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
            update_average(
                average, denoiser.decoder, min(settings.average_decay, (1 + step) / (10 + step))
            )

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
    """Share of the training that is done, by whichever of steps and time is further."""
    by_step = step / settings.steps if settings.steps else 0.0
    by_time = seconds / (60 * settings.minutes) if settings.minutes else 0.0
    return min(1.0, max(by_step, by_time))


def _prefetch(
    material: Material, settings: FineTuneSettings, fabric: Fabric, first: int
) -> Generator[tuple[int, Example]]:
    """Draw the next batch in a thread while the network works on this one, without an end."""
    numbers = range(fabric.global_rank, settings.batch, fabric.world_size)
    objective = material.objective

    def draw(step: int) -> Example:
        first, second, rng = material.pool.batch(step, numbers, turn=objective.turns)
        example = objective.example(first, second, rng)
        return mix(example, rng) if objective.mixes and rng.random() < settings.mixup else example

    with ThreadPoolExecutor(1) as pool:
        step, ahead = first, pool.submit(draw, first)
        while True:
            current, ahead = ahead.result(), pool.submit(draw, step + 1)
            yield step, current.to(fabric.device)
            step += 1


def mix(example: Example, rng: np.random.Generator) -> Example:
    """Blend each patch of a batch with another (Zhang et al., ICLR 2018), as the paper does."""
    weight = float(rng.beta(MIX, MIX))
    other = torch.from_numpy(rng.permutation(len(example.noisy)))
    noisy = weight * example.noisy + (1 - weight) * example.noisy[other]
    target = weight * example.target + (1 - weight) * example.target[other]
    return replace(example, noisy=noisy, target=target, whole=noisy)


class _Pictures:
    """Denoises the held-out patch that holds most, before and as the network learns."""

    def __init__(self, judged: AsInUse, judge: Any):
        spread = judge.noisy.flatten(1).std(dim=1)
        self._judged = judged
        self._noisy = judge.noisy[int(spread.argmax())][None]
        self._before = self._denoised()

    def take(self) -> Picture:
        """Denoise it by the network as it is now."""
        return Picture(self._noisy[0, 0].cpu().numpy(), self._before, self._denoised())

    @torch.no_grad()
    def _denoised(self) -> np.ndarray:
        return self._judged(self._noisy)[0, 0].float().cpu().numpy()


def _result(
    parent: Model, start: Tensor, material: Material, settings: FineTuneSettings, state: State
) -> FineTuned:
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
        software={name: version(name) for name in ("napari-clip-denoise", "torch", "numpy")},
        licence=parent.card.licence,
        parent_sha256=parent.sha256,
    )
    return FineTuned(
        model=Model(card, denoiser),
        improved=float(gains.mean()) > by_chance,
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
