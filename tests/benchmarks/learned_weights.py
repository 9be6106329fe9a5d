"""Weights of neighbouring planes from a small network, instead of a formula.

    python -m benchmarks.learned_weights --data DATA/train --minutes 15

The network sees what the formula of `network.fusion` sees, and begins as the formula. It is trained
through the frozen denoiser: the mean of three planes is denoised, and compared with the clean one.
Planes are those of the stacks of `benchmarks.neighbours`, simulated ones of other seeds,
photographs that move, and unrelated planes. Then the table of `benchmarks.neighbours --kept-back`
is printed, with the formula and with the network.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import shift
from torch import Tensor, nn

from benchmarks import neighbours as bench
from napari_clip_denoise import load
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.network import fusion
from napari_clip_denoise.network.blur import smooth
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.fusion import GuidedPlane

SIDE, BATCH = 96, 3
SIGMA = (0.03, 0.25)
INPUTS, WIDTH = 8, 16
formula = fusion.weigh


class Weights(nn.Module):
    """Corrects the weights of the formula, pixel by pixel, from what the formula sees."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = [
            nn.Conv2d(INPUTS if step == 1 else WIDTH, WIDTH, 3, padding=step, dilation=step)
            for step in (1, 2, 4)
        ]
        self.layers = nn.Sequential(*(m for c in convolutions for m in (c, nn.ReLU())))
        self.last = nn.Conv2d(WIDTH, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, own: GuidedPlane, other: GuidedPlane, variance: Tensor, wide: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return the weight of a neighbour, as `fusion.weigh` does."""
        first, around = formula(own, other, variance, wide)
        first = first.clamp(1e-3, 1 - 1e-3)
        ratio = (other.guide - own.guide).square().mean(0, keepdim=True) / variance
        seen = [
            first,
            *(
                (ratio if not width else smooth(ratio, width)).add(1e-4).log()
                for width in (0, 1, 3, 8)
            ),
            *((plane.structure / variance).add(1e-4).log() for plane in (own, other)),
            variance.log(),
        ]
        correction = self.last(self.layers(torch.cat(seen)[None]))[0]
        return torch.sigmoid(first.logit() + correction), around


def clean_stacks(folder: Path, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw triples (3, SIDE, SIDE) of clean planes for ever."""
    files = []
    for axis, path in bench.FILES.values():
        stack = open_stack(folder / path, axes=None if "medical" in path else f"{axis}yx")
        values = stack.read(whole(stack.shape)).reshape(-1, *stack.plane_shape)[:60]
        low, high = np.percentile(values, (0.1, 99.9))
        files.append(np.clip((values.astype(np.float32) - low) / (high - low), 0, 1))
    photographs = [
        open_stack(path).array[:][..., 1].astype(np.float32) / 255
        for path in sorted((folder / "natural").glob("*.jpg"))[20:80]
    ]
    drawn = [
        draw(int(seed))
        for seed in range(300, 306)
        for draw in (bench.moving_spots, bench.drifting, bench.bleaching)
    ]

    def cut(planes: np.ndarray) -> np.ndarray:
        y, x = (rng.integers(0, length - SIDE + 1) for length in planes.shape[-2:])
        return planes[..., y : y + SIDE, x : x + SIDE]

    while True:
        kind = rng.random()
        if kind < 0.15:
            three = [cut(photographs[i]) for i in rng.integers(0, len(photographs), 3)]
        elif kind < 0.35:
            photograph = cut(photographs[rng.integers(len(photographs))])
            moves = rng.normal(0, 1.5, 2) * (rng.random() < 0.7)
            three = [
                shift(photograph, step * moves, order=1, mode="nearest") for step in (-1, 0, 1)
            ]
        else:
            stack = (files if kind < 0.8 else drawn)[
                rng.integers(len(files if kind < 0.8 else drawn))
            ]
            if len(stack) < 3 or min(stack.shape[1:]) < SIDE:
                continue
            at = rng.integers(0, len(stack) - 2)
            three = list(cut(stack[at : at + 3]))
        yield np.stack(three).astype(np.float32)


def guided(denoiser: Denoiser, planes: Tensor, level: float) -> list[GuidedPlane]:
    """Denoise planes (N, Y, X) one by one."""
    with torch.no_grad():
        told = torch.full_like(planes[:, None], level)
        guides = denoiser(planes[:, None], told)
    return [GuidedPlane.of(*pair) for pair in zip(planes[:, None], guides, strict=True)]


def train(weights: Weights, denoiser: Denoiser, folder: Path, minutes: float) -> None:
    """Train the weights for some minutes of one core."""
    rng = np.random.default_rng(0)
    triples = clean_stacks(folder, rng)
    optimiser = torch.optim.AdamW(weights.parameters(), 2e-3, weight_decay=1e-3)
    started, steps, ratios = time.process_time(), 0, []
    while (part := (time.process_time() - started) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, 2 * (1 - part))
        loss = torch.zeros(())
        for _ in range(BATCH):
            clean = torch.from_numpy(next(triples))
            level = float(np.exp(rng.uniform(*np.log(SIGMA))))
            noisy = clean + level * torch.randn_like(clean)
            before, own, after = guided(denoiser, noisy, level)
            levels = torch.full_like(own.guide, level)
            variance = levels.square()
            weighted = [
                (weights(own, other, variance)[0], other.noisy) for other in (before, after)
            ]
            change, share = fusion.average(own.noisy, weighted, variance)
            found = denoiser((own.noisy + change)[None], (levels * share.sqrt())[None])
            error = (found[0, 0] - clean[1]).square().mean().sqrt()
            plane = (own.guide[0] - clean[1]).square().mean().sqrt() + 1e-4
            loss = loss + error / plane / BATCH
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights.parameters(), 0.5)
        optimiser.step()
        steps, ratios = steps + 1, [*ratios[-199:], float(loss.detach())]
        if steps % 100 == 0:
            print(f"{steps} steps: error {np.mean(ratios):.4f} of the plane model's", flush=True)


def main() -> None:
    """Train, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    weights = Weights()
    train(weights, load(chosen.model).denoiser, chosen.data, chosen.minutes)
    sys.argv = [
        "neighbours", "--model", chosen.model, "--data", str(chosen.data), "--kept-back",
        "--context", "1",
    ]  # fmt: skip
    bench.main()
    weights.requires_grad_(False)
    fusion.weigh = weights
    bench.main()


if __name__ == "__main__":
    main()
