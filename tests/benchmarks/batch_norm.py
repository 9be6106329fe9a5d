"""Compare the statistics that the batch normalisation of a frozen encoder can have.

In ``tests``: ``python -m benchmarks.batch_norm --help``. Decoders are trained with those of the
encoder's source, with adapted and with calibrated ones, on a random encoder and on one that was
trained, as CLIP's, on images standardised by CLIP's mean and deviation. They are fed values from 0
to 1, and scored under other noises.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import nn
from torch.nn import functional

from napari_clip_denoise.evaluation.scores.evaluate import evaluate
from napari_clip_denoise.evaluation.scores.report import markdown_table
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.data.augment import crop_plane
from napari_clip_denoise.training.data.clean_images import read_group
from napari_clip_denoise.training.data.settings import ImageGroup
from napari_clip_denoise.training.pretrain.encoders import DECODER_WIDTHS, random_encoder
from napari_clip_denoise.training.pretrain.fit import train
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import load_recipe

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's standardisation of RGB values."""
SHAPE = EncoderConfig((3, 4, 6), 16)
NOISES = ("gaussian", "spatial-55", "poisson-3.5", "salt-pepper-0.02")


def trained_encoder(data: Path, steps: int, *, crop: int = 64, batch: int = 32) -> Encoder:
    """Train an encoder to tell which image a crop comes from (Dosovitskiy et al., 2014).

    Its batch normalisation learns the statistics of standardised images, as that of CLIP.
    """
    planes = read_group(ImageGroup(folder=".", normalise=False), data, crop)
    encoder = random_encoder(SHAPE, 0)
    encoder.set_trainable(True)
    encoder.adapts = True
    encoder.train()
    torch.manual_seed(0)
    head = nn.Linear(SHAPE.feature_channels[-1], len(planes))
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    mean, deviation = (torch.tensor(of).view(1, 3, 1, 1) for of in (MEAN, DEVIATION))
    rng = np.random.default_rng(0)
    for step in range(steps):
        which = rng.integers(len(planes), size=batch)
        crops = np.stack([crop_plane(planes[i], crop, 0, rng) for i in which])
        crops *= rng.uniform(0.7, 1.3, (batch, 3, 1, 1)).astype(np.float32)
        features = encoder((torch.from_numpy(crops) - mean) / deviation)[-1]
        loss = functional.cross_entropy(head(features.mean(dim=(2, 3))), torch.from_numpy(which))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            print(f"encoder: step {step + 1}  loss {loss.item():.3f}", file=sys.stderr, flush=True)
    encoder.adapts = False
    encoder.set_trainable(False)
    return encoder.eval()


def main(
    data: Annotated[Path, typer.Option(help="Folder of clean RGB images to train on.")],
    test: Annotated[Path, typer.Option(help="Folder of clean RGB images to score on.")],
    run: Annotated[Path, typer.Option(help="Folder for the states and the models.")],
    steps: Annotated[int, typer.Option(help="Steps of each decoder.")] = 600,
    encoder_steps: Annotated[int, typer.Option(help="Steps of the trained encoder.")] = 600,
    limit: Annotated[int, typer.Option(help="Number of test images.")] = 8,
) -> None:
    """Train decoders with each kind of statistics, and print their scores."""
    encoders = {"trained": trained_encoder(data, encoder_steps), "random": random_encoder(SHAPE, 1)}
    paper = load_recipe("paper-gaussian15")
    network = paper.network.__class__(SHAPE, 3, tuple(16 * factor for factor in DECODER_WIDTHS))
    optimisation = paper.optimisation.model_copy(
        update={"steps": steps, "batch": 8, "crop": 64, "schedule": "cosine",
                "learning_rate": 1e-3, "checkpoint_every": steps}
    )  # fmt: skip
    models = []
    for name, encoder in encoders.items():
        for mode in ("openai", "adapt", "calibrate"):
            changes = {"name": f"{name}-{mode}", "encoder": name, "batch_norm": mode,
                       "network": network, "optimisation": optimisation}  # fmt: skip
            recipe = paper.model_copy(update=changes)
            folder = run / recipe.name
            denoiser = train(recipe, data, folder, resume=True, encoder=partial(_same, encoder))
            models.append(write_model(recipe, denoiser, run / f"{recipe.name}.safetensors"))
            print(f"{recipe.name} is trained", file=sys.stderr, flush=True)
    scores = evaluate(models, [test], noises=NOISES, limit=limit, clean=False, device="cpu")
    names = ["noisy", *(facts.name for facts in scores.methods)]
    rows = [
        [noise, *(f"{scores.mean(name, where, noise)['psnr']:.2f}" for name in names)]
        for where, noise in scores.rows
    ]
    print(markdown_table(["noise", *names], rows))


def _same(encoder: Encoder) -> Encoder:
    return encoder


if __name__ == "__main__":
    typer.run(main)
