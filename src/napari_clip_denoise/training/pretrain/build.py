"""Building ``clip-rn50`` on the user's machine, from CLIP's encoder and a decoder trained here."""

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric

from napari_clip_denoise.errors import InputError, ModelError
from napari_clip_denoise.formatting import format_seconds
from napari_clip_denoise.models.clip_encoder import Advance, keep_clip_encoder, load_clip_encoder
from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX, models_folder
from napari_clip_denoise.models.half_precision import in_half_precision
from napari_clip_denoise.models.library import install
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.data.settings import ImageGroup, Simulation
from napari_clip_denoise.training.pretrain.fit import LAST_STATE, train, training_patches
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe

RECIPE_FILE = "recipe.yaml"
TIMED_STEPS = 2
CHECKS_A_RUN = 20
CHECK_PATCHES = 8
FEW_STEPS = 300
PAPER_STEPS = 300_000
"""Steps of the paper's training."""


def build_clip(
    data: str | Path | None = None,
    *,
    minutes: float = 60.0,
    recipe: Recipe | None = None,
    run: str | Path | None = None,
    clip_weights: str | Path | None = None,
    fetch: Advance | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    on_start: Callable[[str], object] | None = None,
    on_progress: Callable[[dict[str, float]], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch CLIP's encoder, train a decoder on it, and install both as the model ``clip-rn50``.

    An interrupted build continues from its last saved state when it is started again. A model that
    is worse than its input on the check set is not installed.

    Parameters
    ----------
    data : str or Path, optional
        Folder of additional clean images. By default, the decoder is trained on simulated
        fluorescence and the photographs included in scikit-image.
    minutes : float
        Approximate training time in minutes; the number of steps is set by timing a few first, on
        the device that will train.
    recipe : Recipe, optional
        Recipe; by default the one named ``clip-rn50``.
    run : str or Path, optional
        Folder for the state and the log; by default next to the user's models.
    clip_weights : str or Path, optional
        Local file with CLIP's RN50 weights, so that nothing is downloaded. The encoder is kept,
        see `keep_clip_encoder`.
    fetch : callable, optional
        Called with the progress of the download.
    device : str
        ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``.
    overwrite : bool
        Whether to replace an existing model of this name.
    on_start : callable, optional
        Called before the training with a sentence that says how long it takes and what it can be
        expected to gain.
    on_progress : callable, optional
        Called with step, steps, loss, seconds and, at intervals, the score: the mean PSNR in dB
        of simulated images not used for training. The PSNR of their noisy versions is ``noisy``.
    on_step : callable, optional
        Called after each step with the number of finished and of all steps; an exception raised
        by it aborts the build.

    Returns
    -------
    Path
        The model file. It contains the decoder; loading combines it with CLIP's encoder.

    Raises
    ------
    InputError
        If the model already exists, or the data cannot be used.
    ModelError
        If CLIP's encoder can be neither found nor downloaded, or the trained model is worse than
        its input.
    """
    if minutes <= 0:
        raise InputError(f"A build of {minutes:g} minutes cannot train; give more.")
    recipe = recipe or load_recipe(CLIP_MODEL)
    target = models_folder() / f"{recipe.name}{SUFFIX}"
    if target.exists() and not overwrite:
        raise InputError(f"There is already a model '{recipe.name}' in {target.parent}.")
    folder = Path(run) if run is not None else models_folder() / f"{recipe.name}.run"
    encoder = load_clip_encoder(clip_weights, advance=fetch)
    if clip_weights is not None:
        keep_clip_encoder(encoder)
    in_half_precision(encoder)
    plan = _plan(recipe, data, folder, encoder, minutes, device)
    if on_start:
        on_start(_prospect(plan, minutes))
    noisy, clean = check_patches(plan)
    noisy_score = mean_psnr(noisy, clean)

    def tell(entry: dict[str, float]) -> None:
        if on_progress:
            on_progress({**entry, "steps": plan.optimisation.steps, "noisy": noisy_score})

    def step_of_all(step: int) -> None:
        if on_step:
            on_step(step, plan.optimisation.steps)

    denoiser = train(
        plan,
        Path(data or "."),
        folder,
        device=device,
        resume=True,
        encoder=lambda: encoder,
        check=partial(_score, noisy=noisy, clean=clean),
        on_progress=tell,
        on_step=step_of_all,
    )
    score = _score(denoiser, noisy, clean)
    if score > noisy_score:
        path = install(write_model(plan, denoiser, folder / target.name), overwrite=overwrite)
    if run is None:
        shutil.rmtree(folder)
    elif score <= noisy_score:
        (folder / RECIPE_FILE).unlink()
        (folder / LAST_STATE).unlink()
    if score <= noisy_score:
        raise ModelError(
            f"After {plan.optimisation.steps} steps the model is worse than its input on the "
            f"check set ({noisy_score:.2f} -> {score:.2f} dB) and was not installed; give more "
            "minutes."
        )
    return path


def check_patches(recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Draw noisy and clean patches for validation, simulated with a different seed."""
    optimisation = recipe.optimisation.model_copy(update={"batch": CHECK_PATCHES})
    unseen = recipe.model_copy(
        update={
            "seed": recipe.seed + 1,
            "groups": (),
            "samples": 0.0,
            "simulation": Simulation(weight=1, planes=CHECK_PATCHES),
            "optimisation": optimisation,
        }
    )
    noisy, _, clean = training_patches(unseen, Path()).batch(0)
    return noisy, clean


def mean_psnr(images: np.ndarray, clean: np.ndarray) -> float:
    """Return the mean PSNR in dB of patches (N, C, Y, X) on the network's scale."""
    errors = np.square(images - clean).mean(axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(errors)))


@torch.inference_mode()
def _score(denoiser: Denoiser, noisy: np.ndarray, clean: np.ndarray) -> float:
    patches = (denoiser(torch.from_numpy(patch)[None])[0].numpy() for patch in noisy)
    return mean_psnr(np.stack(list(patches)), clean)


def _prospect(plan: Recipe, minutes: float) -> str:
    """Say how long a build takes, and what it can be expected to gain on the check set."""
    steps = plan.optimisation.steps
    sentence = f"{steps} steps of training, in about {format_seconds(60 * minutes)}. "
    if steps < FEW_STEPS:
        return sentence + (
            "That is hardly enough for a useful model (100 steps on a narrow random encoder gained "
            "0.04 dB); give more minutes."
        )
    return sentence + (
        f"That is {steps / PAPER_STEPS:.1%} of the paper's training, so expect a model far from "
        "its scores; it is installed if it improves the check set."
    )


def _plan(
    recipe: Recipe,
    data: str | Path | None,
    folder: Path,
    encoder: Encoder,
    minutes: float,
    device: str,
) -> Recipe:
    """Determine the number of training steps, or read the number set by an earlier start."""
    path = folder / RECIPE_FILE
    if path.exists():
        return load_recipe(path)
    if data is not None:
        recipe = recipe.model_copy(update={"groups": (ImageGroup(folder="."),), "samples": 0.0})
    seconds = _seconds_a_step(recipe, encoder, device)
    steps = max(TIMED_STEPS, int(60 * minutes / seconds))
    optimisation = recipe.optimisation.model_copy(
        update={"steps": steps, "checkpoint_every": max(1, steps // CHECKS_A_RUN)}
    )
    plan = recipe.model_copy(update={"optimisation": optimisation})
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False))
    return plan


def _seconds_a_step(recipe: Recipe, encoder: Encoder, device: str) -> float:
    """Measure the time of a forward and backward pass of the recipe's batch, in seconds."""
    settings = recipe.optimisation
    bfloat16 = settings.precision == "bfloat16"
    fabric = Fabric(
        accelerator=device, devices=1, precision="bf16-mixed" if bfloat16 else "32-true"
    )
    denoiser = Denoiser(recipe.network)
    denoiser.encoder.load_state_dict(encoder.state_dict())
    network = fabric.setup_module(denoiser.to(memory_format=torch.channels_last).train())
    shape = (settings.batch, recipe.network.channels, settings.crop, settings.crop)
    batch = fabric.to_device(torch.rand(shape).to(memory_format=torch.channels_last))
    started = 0.0
    for step in range(1 + TIMED_STEPS):
        if step == 1:
            started = time.perf_counter()
        loss = network(batch).mean()
        fabric.backward(loss)
        loss.item()
    return (time.perf_counter() - started) / TIMED_STEPS
