"""Fine-tuning of the decoder on the user's own images, with a frozen encoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities import rank_zero_only
from torch import Tensor

from napari_clip_denoise.errors import Cancelled, door
from napari_clip_denoise.network.inference import predict
from napari_clip_denoise.training.finetune.check import check_fine_tuning
from napari_clip_denoise.training.finetune.loop import AsInUse, FineTuning, OnProgress
from napari_clip_denoise.training.finetune.plan import make_plan
from napari_clip_denoise.training.finetune.progress import Control
from napari_clip_denoise.training.finetune.result import FineTuned, conclude
from napari_clip_denoise.training.finetune.settings import FineTuneSettings, make_fine_tune_settings
from napari_clip_denoise.training.finetune.start import starting_model
from napari_clip_denoise.training.finetune.state import RunFolder, fingerprint


@door
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
    on_start: Callable[[str, tuple[str, ...]], None] | None = None,
    on_progress: OnProgress | None = None,
    control: Control | None = None,
    **values: Any,
) -> FineTuned:
    """Fine-tune a model's decoder on the user's own images; its encoder is not changed.

    Parameters
    ----------
    noisy, clean, repeats : str, Path, array-like, Stack or sequence of these, optional
        Noisy images, clean images of the same fields, and further noisy images of the same fields.
        Paths may be files, stores or folders; patches are read on demand.
    settings : FineTuneSettings, optional
        Settings of the fine-tuning. Alternatively, pass its fields by name, such as ``minutes=5``.
    axes : str, optional
        Axes of all images, one letter per dimension; inferred by default.
    run : str or Path, optional
        Folder for the state, from which the same call resumes an interrupted training. It is
        removed at the end.
    restart : bool
        Whether to discard an existing state.
    clip_weights : str or Path, optional
        Local file with CLIP's RN50 weights, see `load`.
    on_start : callable, optional
        Called before the first step with the chosen objective and its reason, and with notes.
    on_progress : callable, optional
        Called with a `Learning` after each step.
    control : Control, optional
        Stops or cancels the training.
    **values
        Fields of `FineTuneSettings`, used if `settings` is not given.

    Returns
    -------
    FineTuned
        The model and whether it is better than the initial one; nothing is saved.

    Raises
    ------
    InputError, ModelError, OutputError
        If the training is not possible; the message says in one sentence what is wrong and what to
        do.
    Cancelled
        If `control` was cancelled.

    Examples
    --------
    >>> result = fine_tune("my_stack.ome.zarr", name="my-scope", minutes=15)  # doctest: +SKIP
    >>> print(result.reason, result.verdict)  # doctest: +SKIP
    >>> install(result.model)  # doctest: +SKIP
    """
    settings = settings or make_fine_tune_settings(**values)
    check_fine_tuning(settings)
    parent, has_decoder = starting_model(settings, clip_weights)
    control = control or Control()
    in_use = AsInUse(parent.denoiser)

    def denoise(noisy: Tensor, level: Tensor | None = None) -> Tensor:
        control.check()
        return predict(in_use, noisy, level)

    plan = make_plan(
        noisy,
        clean,
        repeats,
        settings,
        network=parent.card.network,
        denoise=denoise if has_decoder else None,
        axes=axes,
    )
    folder = RunFolder(
        Path(run) if run else None,
        fingerprint(settings, parent.sha256, plan.data, plan.objective.name),
    )
    fabric = Fabric(
        accelerator=settings.device,
        devices=settings.devices,
        strategy="ddp" if settings.devices > 1 else "auto",
        precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    if on_start and fabric.is_global_zero:
        on_start(plan.reason, plan.notes)
    state = folder.load(restart=restart)
    try:
        tuning = FineTuning(fabric, parent, has_decoder, plan, settings, folder, state)
        tuning.run(on_progress, control)
    except Cancelled:
        if fabric.is_global_zero:
            folder.remove()
        raise
    finally:
        if fabric.device.type == "cuda":
            torch.cuda.empty_cache()
    if fabric.is_global_zero:
        folder.remove()
    return conclude(parent, tuning.start, plan, settings, tuning.state)


def is_first_process() -> bool:
    """Return whether this is the first, or only, process of a training."""
    return getattr(rank_zero_only, "rank", 0) == 0
