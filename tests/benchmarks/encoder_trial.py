"""An encoder that is trained by itself to resist noise, against one trained with its decoder.

In ``tests``: ``python -m benchmarks.encoder_trial --help``. After the encoder
(`self_taught.py`), decoders are trained on it and on others, on noise of one level and on all
kinds, with F0 as it is or disturbed. All networks are blind to the noise level.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.self_taught import SelfTaught
from napari_clip_denoise.evaluation.features import feature_similarity
from napari_clip_denoise.evaluation.scores.evaluate import evaluate
from napari_clip_denoise.evaluation.scores.report import markdown_table
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.data.noise_synthesis import corrupt
from napari_clip_denoise.training.data.settings import ImageGroup, Noise
from napari_clip_denoise.training.data.synthetic_patches import SyntheticPatches
from napari_clip_denoise.training.pretrain.encoders import calibrate, random_encoder
from napari_clip_denoise.training.pretrain.fit import trained_denoiser, training_patches
from napari_clip_denoise.training.pretrain.losses import LOSSES
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe
from napari_clip_denoise.training.pretrain.rectifiers import RectifierGuard, alive
from napari_clip_denoise.training.trainer import Trainer

SHAPE = EncoderConfig((2, 2, 2), 24, in_channels=1)
NETWORK = DenoiserConfig(
    SHAPE, 1, (80, 64, 48, 44), align_corners=False, residual=True, decoder_stride=2
)
ALIVE = 0.01
RATE, ENCODER_RATE = 2e-3, 5e-3
DISTURBED = 0.3
"""Fraction of the patches of whose F0 the decoder sees little or nothing."""
NOISES = ("gaussian", "spatial-55", "poisson-3.5", "salt-pepper-0.02", "speckle-0.04")
Views = tuple[Tensor, Tensor, Tensor]
"""Two noisy views and the clean patches, each (N, 1, H, W)."""


def recipe_of(
    name: str, noise: Noise, steps: int, *, batch: int, crop: int, rate: float = RATE
) -> Recipe:
    """Return the recipe of the blind `compact`, shortened, with the given noise."""
    base = load_recipe("compact")
    settings = {"steps": steps, "batch": batch, "crop": crop, "learning_rate": rate,
                "cool_down": 0.6, "warm_up": 20, "init_weight": 0.0, "average_decay": 0.99,
                "checkpoint_every": steps, "augmentation_level": 0.025, "alive": 0.0}  # fmt: skip
    return base.model_copy(
        update={
            "name": name,
            "network": NETWORK,
            "noise": noise,
            "extremes": base.extremes.model_copy(update=dict.fromkeys(
                ("structures", "saturated", "scaled", "hot"), 0.0)),
            "groups": (ImageGroup(folder="natural", weight=0.6, normalise=False),
                       ImageGroup(folder="microscopy", weight=0.15, p_downsample=0.6)),
            "simulation": base.simulation.model_copy(update={"planes": 64}),
            "textures": base.textures.model_copy(update={"weight": 0.0}),
            "optimisation": base.optimisation.model_copy(update=settings),
        }
    )  # fmt: skip


def fabric() -> Fabric:
    """Return one core whose convolutions are in bfloat16."""
    made = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    made.launch()
    return made


def self_taught(recipe: Recipe, data: Path) -> Encoder:
    """Train an encoder by itself, normalised by each batch; then freeze its statistics."""
    patches = training_patches(recipe, data)
    encoder = random_encoder(SHAPE, recipe.seed)
    encoder.adapts = True
    encoder.set_trainable(True)
    network = SelfTaught(encoder)

    def draw(step: int) -> Views:
        clean = patches.batch(step)[2]
        rng = np.random.default_rng([recipe.seed, 1, step])
        pairs = [[corrupt(patch, recipe.noise, rng) for _ in range(2)] for patch in clean]
        views = [np.stack([pair[view][0] for pair in pairs]) for view in range(2)]
        one, other, truth = (torch.from_numpy(v) for v in (*views, clean))
        return one, other, truth

    trainer: Trainer[Views] = Trainer(
        fabric(), network, network, recipe.optimisation, seed=recipe.seed
    )
    run(trainer, draw, lambda net, batch: net(*batch), recipe)
    network.load_state_dict(trainer.average)
    encoder.adapts = False
    encoder.set_trainable(False)
    calibrate(encoder.eval(), first_patches(patches))
    return encoder


def first_patches(patches: SyntheticPatches) -> Iterator[Tensor]:
    """Return noisy patches to calibrate an encoder with."""
    return (torch.from_numpy(patches.batch(step)[0]) for step in range(16))


def with_decoder(
    recipe: Recipe, data: Path, encoder: Encoder | None, *, disturb: float = 0.0
) -> Denoiser:
    """Train a decoder on a frozen encoder, or both together if there is none."""
    patches = training_patches(recipe, data)
    torch.manual_seed(recipe.seed)
    denoiser = Denoiser(NETWORK, recipe.optimisation.augmentation_level)
    if encoder is None:
        denoiser.encoder = random_encoder(SHAPE, recipe.seed)
        calibrate(denoiser.encoder, first_patches(patches))
    else:
        denoiser.encoder.load_state_dict(encoder.state_dict())
    denoiser.encoder.set_trainable(encoder is None)
    guard = RectifierGuard(denoiser.encoder) if encoder is None else None
    core = fabric()

    def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
        noisy, _, clean = patches.batch(step)
        rng = np.random.default_rng([recipe.seed, 2, step])
        seen = np.stack([disturbed(patch, rng) if rng.random() < disturb else patch
                         for patch in noisy])  # fmt: skip
        first, image, truth = (torch.from_numpy(part) for part in (noisy, seen, clean))
        return first, image, truth

    def loss_of(network: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        noisy, seen, clean = batch
        with core.autocast():
            features = denoiser.augment(denoiser.encoder(noisy))
            result = denoiser.decode(seen, [seen, *features])
        loss = LOSSES["relative"](result.float(), noisy, clean)
        return loss + ALIVE * guard.penalty() if guard else loss

    trainer: Trainer[Views] = Trainer(
        core, denoiser, denoiser, recipe.optimisation, seed=recipe.seed
    )
    run(trainer, draw, loss_of, recipe)
    return trained_denoiser(recipe, trainer.average)


def disturbed(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return nothing of a patch, or little: strong noise added to it."""
    if rng.random() < 0.5:
        return np.zeros_like(patch)
    sigma = rng.uniform(0.1, 0.5)
    return patch + rng.normal(0, sigma, patch.shape).astype(np.float32)


def run(
    trainer: Trainer[Views],
    draw: Callable[[int], Views],
    loss_of: Callable[[nn.Module, Views], Tensor],
    recipe: Recipe,
) -> None:
    """Train to the end, and tell the loss."""
    steps, begun, losses = recipe.optimisation.steps, time.monotonic(), []
    for step in trainer.steps(draw, loss_of, lambda n: n if n < steps else None):
        losses.append(step.loss.item())
        if step.done % 100 == 0:
            mean, seconds = sum(losses) / len(losses), time.monotonic() - begun
            line = f"{recipe.name}: step {step.done}  loss {mean:.4f}  {seconds:.0f} s"
            print(line, file=sys.stderr, flush=True)
            losses.clear()


def main(
    data: Annotated[Path, typer.Option(help="Folder with the folders natural and microscopy.")],
    test: Annotated[Path, typer.Option(help="Folder of clean images to score on.")],
    folder: Annotated[Path, typer.Option("--run", help="Folder for the models.")],
    steps: Annotated[int, typer.Option(help="Steps of each decoder.")] = 200,
    encoder_steps: Annotated[int, typer.Option(help="Steps of the encoder by itself.")] = 600,
    joint_steps: Annotated[int, typer.Option(help="Steps of both trained together.")] = 550,
    batch: Annotated[int, typer.Option(help="Patches of a batch.")] = 6,
    crop: Annotated[int, typer.Option(help="Side of a patch in pixels.")] = 128,
    limit: Annotated[int, typer.Option(help="Number of test images.")] = 8,
) -> None:
    """Train encoders and decoders, and print how features and images fare."""
    folder.mkdir(parents=True, exist_ok=True)
    every = load_recipe("compact").noise
    one = Noise(gaussian=1.0, sigma=(15 / 255, 15 / 255))
    size = {"batch": batch, "crop": crop}
    alone = self_taught(
        recipe_of("self-taught", every, encoder_steps, rate=ENCODER_RATE, **size), data
    )
    joint = with_decoder(recipe_of("joint", every, joint_steps, **size), data, None)
    chance = random_encoder(SHAPE, 7)
    patches = training_patches(recipe_of("random", every, 1, **size), data)
    calibrate(chance, first_patches(patches))
    models, files = [], []

    def keep(recipe: Recipe, denoiser: Denoiser) -> None:
        noisy = torch.from_numpy(training_patches(recipe, data).batch(0)[0])
        print(recipe.name, "alive:", alive(denoiser, noisy, None), file=sys.stderr, flush=True)
        models.append(write_model(recipe, denoiser, folder / f"{recipe.name}.safetensors"))
        files.append(str(folder / f"{recipe.name}.safetensors"))

    keep(recipe_of("joint", every, joint_steps, **size), joint)
    for name, encoder, noise, disturb in (
        ("self-taught-disturbed", alone, every, DISTURBED),
        ("15-joint", joint.encoder, one, 0.0),
        ("15-self-taught", alone, one, 0.0),
        ("15-self-taught-disturbed", alone, one, DISTURBED),
        ("15-random", chance, one, 0.0),
        ("self-taught", alone, every, 0.0),
    ):
        recipe = recipe_of(name, noise, steps, **size)
        keep(recipe, with_decoder(recipe, data, encoder, disturb=disturb))
    scores = evaluate(models, [test], noises=NOISES, limit=limit, clean=False, device="cpu")
    names = ["noisy", *(facts.name for facts in scores.methods)]
    rows = [
        [noise, *(f"{scores.mean(name, where, noise)['psnr']:.2f}" for name in names)]
        for where, noise in scores.rows
    ]
    print(markdown_table(["noise", *names], rows))
    by_name = dict(zip((model.card.name for model in models), files, strict=True))
    encoders = [by_name[name] for name in ("joint", "self-taught", "15-random")]
    for entry in feature_similarity(
        encoders, test, noises=("gaussian-15", "gaussian-25", "gaussian-50"), limit=limit
    ):
        print(entry)


if __name__ == "__main__":
    typer.run(main)
