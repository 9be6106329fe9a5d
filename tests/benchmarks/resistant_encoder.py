"""An encoder that is trained by itself: features that resist noise and still tell the clean pixels.

Two noisy views of each clean patch should have the same features (invariance), each channel should
vary (variance), no two channels should tell the same (decorrelation; all three as in VICReg), and a
linear read-out of the features should give the clean pixels. No decoder is trained. The result is a
model whose decoder has random weights, for ``clip-denoise features`` and ``train --encoder``::

    python -m benchmarks.resistant_encoder encoder.safetensors --data DATA/train --minutes 20

Bardes, Ponce, LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised
learning", ICLR 2022.
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn
from torch.nn import functional

from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, save_model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.pretrain.encoders import calibrate, random_network
from napari_clip_denoise.training.pretrain.fit import training_patches
from napari_clip_denoise.training.pretrain.recipe import load_recipe

SIGMA = (0.0, 0.25)
PLACES = 4096
"""Number of places of a feature at which variance and decorrelation are measured."""
INVARIANCE, VARIANCE, DECORRELATION = 1.0, 1.0, 0.05
BATCHES = 8


class Readout(nn.Module):
    """Linear read-outs of 2 x 2 clean pixels: of each of F1 to F4, and of all of them."""

    def __init__(self, widths: list[int], channels: int):
        super().__init__()
        self.own = nn.ModuleList(nn.Conv2d(width, 4 * channels, 1) for width in widths)

    def forward(self, features: list[Tensor], clean: Tensor) -> Tensor:
        """Return the mean squared errors relative to the variance of the clean pixels, summed."""
        pixels = functional.pixel_unshuffle(clean, 2)
        size = pixels.shape[-2:]
        read = [
            functional.interpolate(head(feature), size, mode="bilinear")
            for head, feature in zip(self.own, features, strict=True)
        ]
        spread = clean.var() + 1e-4
        wanted = [*read, torch.stack(read).sum(0)]
        errors = [(each - pixels).square().mean() / spread for each in (*read[1:], wanted[-1])]
        return 0.1 * torch.stack(errors[:-1]).sum() + 4 * errors[-1]


def resistance(one: Tensor, other: Tensor) -> Tensor:
    """Return the three terms of VICReg for a feature (N, C, H, W) of two views, weighted."""
    flat = [view.float().movedim(1, 0).flatten(1) for view in (one, other)]
    chosen = torch.randint(flat[0].shape[1], (PLACES,))
    loss = one.new_zeros((), dtype=torch.float32)
    for values in (view[:, chosen] for view in flat):
        centred = values - values.mean(1, keepdim=True)
        deviation = (centred.square().mean(1) + 1e-4).sqrt()
        alike = centred / deviation.detach()[:, None]
        products = alike @ alike.T / PLACES
        off = products - torch.diag(products.diagonal())
        loss = loss + VARIANCE * (1 - deviation).clamp_min(0).mean()
        loss = loss + DECORRELATION * off.square().sum() / len(values)
    scale = flat[0].detach().var() + 1e-4
    return loss / 2 + INVARIANCE * (flat[0] - flat[1]).square().mean() / scale


def main(
    output: Annotated[Path, typer.Argument(help="The model, a .safetensors file.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the recipe's image groups.")],
    recipe: Annotated[str, typer.Option(help="Whose images, noise and encoder.")] = "compact-rgb",
    minutes: Annotated[float, typer.Option(help="Training time.")] = 20.0,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-3,
) -> None:
    """Train the encoder on one thread, and save it."""
    made = load_recipe(recipe)
    patches = training_patches(made, data)
    told = made.network.noise_level
    network = random_network(made.network, made.seed)
    encoder = network.encoder

    def views(step: int) -> tuple[list[Tensor], Tensor]:
        noisy, _, clean = map(torch.from_numpy, patches.batch(step))
        sigma = torch.empty(len(clean), 1, 1, 1).uniform_(*SIGMA)
        return [noisy, clean + sigma * torch.randn_like(clean)], clean

    def seen(image: Tensor) -> Tensor:
        return network.prepare(image, None)[1] if told else image

    with torch.no_grad():
        calibrate(encoder, (seen(views(step)[0][1]) for step in range(BATCHES)))
    encoder.set_trainable(True)
    widths = [feature.shape[1] for feature in encoder(seen(torch.zeros(1, 3, 32, 32)))]
    readout = Readout(widths, made.network.channels)
    parameters = [*encoder.parameters(), *readout.parameters()]
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=0.01)
    started, step = time.monotonic(), 0
    while (part := (time.monotonic() - started) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 200, 2 * (1 - part))
        images, clean = views(BATCHES + step)
        with torch.autocast("cpu", torch.bfloat16):
            features = encoder(seen(torch.cat(images)))
        halves = [feature.float().chunk(2) for feature in features]
        alike = sum((resistance(*pair) for pair in halves), torch.zeros(()))
        content = sum(readout([pair[i] for pair in halves], clean) for i in range(2))
        loss = alike + content
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        if step % 100 == 0:
            print(f"{step} steps: alike {float(alike):.3f}, content {float(content):.3f}")
    finished = Denoiser(made.network)
    finished.encoder.load_state_dict(encoder.state_dict())
    source = f"two views, {minutes:g} minutes, {step} steps"
    card = ModelCard(
        name=output.stem, network=made.network, encoder=EncoderCard(source=source), halo=96
    )
    save_model(Model(card, finished.requires_grad_(False).eval()), output)


if __name__ == "__main__":
    typer.run(main)
