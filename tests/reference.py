"""The paper's network, written again from its description and independent of the package.

Works on the state dict of a published checkpoint alone, by plain functional calls.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)


def _bottleneck(state: State, name: str, x: Tensor, stride: int) -> Tensor:
    y = F.relu(_norm(state, f"{name}.bn1", F.conv2d(x, state[f"{name}.conv1.weight"])))
    y = F.relu(_norm(state, f"{name}.bn2", F.conv2d(y, state[f"{name}.conv2.weight"], padding=1)))
    if stride > 1:
        y, x = F.avg_pool2d(y, stride), F.avg_pool2d(x, stride)
    y = _norm(state, f"{name}.bn3", F.conv2d(y, state[f"{name}.conv3.weight"]))
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{name}.downsample.0.weight"])
        x = _norm(state, f"{name}.downsample.1", x)
    return F.relu(x + y)


def _layer(state: State, name: str, x: Tensor, stride: int) -> Tensor:
    block = 0
    while f"{name}.{block}.conv1.weight" in state:
        x = _bottleneck(state, f"{name}.{block}", x, stride if block == 0 else 1)
        block += 1
    return x


def features(state: State, image: Tensor) -> list[Tensor]:
    """F0 to F4 of an image (1, 3, H, W)."""
    x = image
    for i, stride in ((1, 2), (2, 1), (3, 1)):
        x = F.conv2d(x, state[f"encoder.conv{i}.weight"], stride=stride, padding=1)
        x = F.relu(_norm(state, f"encoder.bn{i}", x))
    f1 = x
    f2 = _layer(state, "encoder.layer1", F.avg_pool2d(f1, 2), 1)
    f3 = _layer(state, "encoder.layer2", f2, 2)
    f4 = _layer(state, "encoder.layer3", f3, 2)
    return [image, f1, f2, f3, f4]


def denoise(state: State, image: np.ndarray) -> np.ndarray:
    """Run the paper's inference on an image (Y, X) or (Y, X, 3) in [0, 1]."""
    planar = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    height, width = planar.shape[1:]
    padding = ((0, 0), (0, -height % 32), (0, -width % 32))
    x = torch.from_numpy(np.pad(planar, padding, mode="reflect")[None]).float()
    with torch.no_grad():
        if "first.weight" in state:
            x = F.conv2d(x, state["first.weight"])
        f0, f1, f2, f3, y = features(state, x)
        for i, skip in enumerate((None, f3, f2, f1, f0)):
            if skip is not None:
                y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True)
                y = torch.cat([y, skip], dim=1)
            for j in (0, 2):
                weight = state[f"up_path.{i}.conv_block.block.{j}.weight"]
                y = F.leaky_relu(F.conv2d(y, weight, padding=1), 0.2)
        y = F.conv2d(y, state["last.weight"], padding=1)
    result = y[0, :, :height, :width].clamp(0, 1).numpy()
    return result[0] if image.ndim == 2 else result.transpose(1, 2, 0)


def random_checkpoint(
    channels: int, *, layers: tuple[int, ...] = (3, 4, 6, 3), width: int = 64, seed: int = 0
) -> dict[str, Tensor]:
    """Make the state dict of a published checkpoint with random weights that keep a signal."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def conv(name: str, n_out: int, n_in: int, size: int) -> None:
        scale = (2 / (n_in * size * size)) ** 0.5
        state[f"{name}.weight"] = scale * torch.randn(n_out, n_in, size, size, generator=generator)

    def norm(name: str, n: int) -> None:
        state[f"{name}.weight"] = 0.5 + torch.rand(n, generator=generator)
        state[f"{name}.bias"] = 0.1 * torch.randn(n, generator=generator)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(n, generator=generator)
        state[f"{name}.running_var"] = 0.5 + torch.rand(n, generator=generator)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    half = width // 2
    for i, (n_out, n_in) in enumerate(((half, 3), (half, half), (width, half)), start=1):
        conv(f"encoder.conv{i}", n_out, n_in, 3)
        norm(f"encoder.bn{i}", n_out)
    n_in = width
    for stage, n_blocks in enumerate(layers, start=1):
        planes = width * 2 ** (stage - 1)
        for block in range(n_blocks):
            name = f"encoder.layer{stage}.{block}"
            conv(f"{name}.conv1", planes, n_in, 1)
            conv(f"{name}.conv2", planes, planes, 3)
            conv(f"{name}.conv3", 4 * planes, planes, 1)
            for i, n in ((1, planes), (2, planes), (3, 4 * planes)):
                norm(f"{name}.bn{i}", n)
            state[f"{name}.bn3.weight"] *= 0.3
            if block == 0:
                conv(f"{name}.downsample.0", 4 * planes, n_in, 1)
                norm(f"{name}.downsample.1", 4 * planes)
            n_in = 4 * planes
    state["encoder.attnpool.c_proj.weight"] = torch.randn(4, 4, generator=generator)
    skips = (0, 8 * width, 4 * width, width, 3)
    below = 16 * width
    for i, (n_out, skip) in enumerate(
        zip((8 * width, 4 * width, 2 * width, width, width), skips, strict=True)
    ):
        conv(f"up_path.{i}.conv_block.block.0", n_out, below + skip, 3)
        conv(f"up_path.{i}.conv_block.block.2", n_out, n_out, 3)
        below = n_out
    conv("last", channels, width, 3)
    state["last.weight"] *= 0.2
    if channels == 1:
        state["first.weight"] = torch.rand(3, 1, 1, 1, generator=generator)
    return state
