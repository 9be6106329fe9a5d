"""Objectives: how training patches become what the network gets and what it should give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.images.intensity import ChannelMapping
from napari_clip_denoise.noise.camera import CameraNoise

Network = Callable[[Tensor], Tensor]

LOW_RATE = 5e-5
"""For noisy targets that also hide some of the image; higher rates follow their noise."""


@dataclass(frozen=True)
class Example:
    """A batch to learn from; all are tensors (N, C, Y, X).

    Attributes
    ----------
    noisy : Tensor
        What the network gets.
    target : Tensor
        What it should give.
    mask : Tensor
        1 where the target counts, else 0.
    aids : tuple of Tensor
        What else the objective takes its loss by.
    """

    noisy: Tensor
    target: Tensor
    mask: Tensor
    aids: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> "Example":
        """The same on a device."""
        noisy, target, mask, *aids = (
            side.to(device) for side in (self.noisy, self.target, self.mask, *self.aids)
        )
        return Example(noisy, target, mask, tuple(aids))


class Objective(Protocol):
    """How a training target is made."""

    @property
    def name(self) -> str:
        """As in the settings."""
        ...

    @property
    def turns(self) -> bool:
        """Whether patches may be turned by a quarter."""
        ...

    @property
    def mixes(self) -> bool:
        """Whether patches may be blended with each other."""
        ...

    @property
    def learning_rate(self) -> float:
        """The rate that suits it, at its highest."""
        ...

    @property
    def augmentation_level(self) -> float:
        """How much features are to be disturbed, see `Denoiser`."""
        ...

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Make a batch of patches and their counterparts, (N, C, Y, X), an example."""
        ...

    def loss(self, network: Network, example: Example) -> Tensor:
        """Loss of a network in training."""
        ...


def masked_loss(error: Tensor, mask: Tensor) -> Tensor:
    """Average over the batch the root of each patch's mean squared error within the mask."""
    inside = mask.sum(dim=(1, 2, 3)).clamp(min=1)
    return ((error.square() * mask).sum(dim=(1, 2, 3)) / inside + 1e-6).sqrt().mean()


class _Plain:
    """The patches as they are: one side in, the other as the target."""

    mixes = False
    learning_rate = 3e-4
    augmentation_level = 0.025

    @property
    def turns(self) -> bool:
        """Always."""
        return True

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Give the first patches to the network and the second as the target."""
        return _example(first, second)

    def loss(self, network: Network, example: Example) -> Tensor:
        """Root mean square of the error where the mask says."""
        return masked_loss(network(example.noisy) - example.target, example.mask)


class Supervised(_Plain):
    """Noisy images, and clean ones of the same fields."""

    name = "supervised"
    mixes = True


class Refinement(_Plain):
    """Noisy images alone: what the model at the start makes of them, with such noise put on again.

    The network learns to undo this noise on images of this kind. Both are as good as the model
    at the start and the measured noise, so it cannot learn structure that this model has missed.

    References
    ----------
    Zhang et al., "IDR: self-supervised image denoising via iterative data refinement", CVPR 2022,
    with a trained model in place of their first round.
    """

    name = "refinement"
    mixes = True
    learning_rate = 1e-3
    augmentation_level = 0.0


class Noise2Noise(_Plain):
    """Two noisy images of the same field: on average, one tells what is clean in the other.

    References
    ----------
    Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML 2018.
    """

    name = "noise2noise"

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Give one of each two patches, at random, to the network and the other as the target."""
        swap = rng.random((len(first), 1, 1, 1)) < 0.5
        return _example(np.where(swap, second, first), np.where(swap, first, second))


@dataclass(frozen=True)
class Synthetic(_Plain):
    """Clean images with noise that is put on them.

    Parameters
    ----------
    noise : CameraNoise
        On the raw scale of the patches.
    mapping : ChannelMapping
        From that scale to the network's.
    """

    noise: CameraNoise
    mapping: ChannelMapping
    name = "synthetic"
    mixes = True

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Put noise on the first patches, which are clean raw values, and map both."""
        noisy = self.mapping.normalize(self.noise(first, rng))
        return _example(noisy, self.mapping.expected(first))


@dataclass(frozen=True)
class Noise2Void(_Plain):
    """Noisy images alone: some pixels are hidden and have to be told from those around them.

    Parameters
    ----------
    extent : (int, int)
        How far the noise of a pixel is correlated, down and across. So many pixels on each side
        are hidden with it (structN2V), so that their noise does not give its away.
    share : float
        Share of the pixels that the loss is taken of.

    References
    ----------
    Krull, Buchholz, Jug, "Noise2Void", CVPR 2019. Broaddus et al., "Removing structured noise
    with self-supervised blind-spot networks", ISBI 2020.
    """

    extent: tuple[int, int] = (0, 0)
    share: float = 0.05
    name = "noise2void"
    learning_rate = LOW_RATE

    @property
    def turns(self) -> bool:
        """Not by a quarter where the noise has a direction."""
        return self.extent[0] == self.extent[1]

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Hide pixels of the noisy patches, replaced by others nearby."""
        n, _, height, width = first.shape
        down, across = self.extent
        edge_y, edge_x = 2 * down + 2, 2 * across + 2
        count = max(1, round(self.share * height * width))
        patch = np.repeat(np.arange(n), count)
        y = rng.integers(edge_y, height - edge_y, size=n * count)
        x = rng.integers(edge_x, width - edge_x, size=n * count)
        mask = np.zeros(first.shape, np.float32)
        mask[patch, :, y, x] = 1
        hidden = first.copy()
        near = self._near()
        for dy in range(-down, down + 1):
            for dx in range(-across, across + 1):
                step = near[rng.integers(len(near), size=len(y))]
                donors = first[patch, :, y + step[:, 0], x + step[:, 1]]
                hidden[patch, :, y + dy, x + dx] = donors
        return _example(hidden, first, mask)

    def _near(self) -> np.ndarray:
        """Steps (N, 2) to the pixels around those that are hidden together."""
        down, across = self.extent
        return np.array(
            [
                (dy, dx)
                for dy in range(-down - 2, down + 3)
                for dx in range(-across - 2, across + 3)
                if abs(dy) > down or abs(dx) > across
            ]
        )


@dataclass(frozen=True)
class Neighbor2Neighbor(_Plain):
    """Noisy images alone: of each 2 x 2 pixels one goes in and a neighbour is the target.

    Parameters
    ----------
    weight : float
        Of the regulariser, which makes up for the neighbours' being different pixels.

    References
    ----------
    Huang et al., "Neighbor2Neighbor: self-supervised denoising from single noisy images",
    CVPR 2021.
    """

    weight: float = 2.0
    name = "neighbor2neighbor"
    learning_rate = LOW_RATE

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Sub-sample the noisy patches twice."""
        n, _, height, width = first.shape
        shape = (n, height // 2, width // 2)
        start = rng.integers(4, size=shape)
        step = np.where(rng.random(shape) < 0.5, 1, 3)
        around = np.array([0, 1, 3, 2])
        corners = np.stack([around[start], around[(start + step) % 4]])
        whole, picked = torch.from_numpy(first), torch.from_numpy(corners)
        noisy, target = (_pick(whole, corner) for corner in picked)
        return Example(noisy, target, torch.ones_like(noisy), (whole, picked))

    def loss(self, network: Network, example: Example) -> Tensor:
        """Error against the neighbour, and of its difference to that of the denoised whole."""
        whole, corners = example.aids
        error = network(example.noisy) - example.target
        with torch.no_grad():
            denoised = network(whole)
        one, other = (_pick(denoised, corner) for corner in corners)
        plain = masked_loss(error, example.mask)
        return plain + self.weight * masked_loss(error - (one - other), example.mask)


def _example(noisy: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> Example:
    inputs, targets = (torch.from_numpy(np.ascontiguousarray(side)) for side in (noisy, target))
    where = torch.ones_like(targets) if mask is None else torch.from_numpy(mask)
    return Example(inputs, targets, where)


def _pick(images: Tensor, corner: Tensor) -> Tensor:
    """Of each 2 x 2 pixels of (N, C, Y, X) take the one that `corner` (N, Y/2, X/2) names."""
    n, channels, height, width = images.shape
    cells = images.reshape(n, channels, height // 2, 2, width // 2, 2).permute(0, 1, 2, 4, 3, 5)
    cells = cells.reshape(n, channels, height // 2, width // 2, 4)
    index = corner[:, None, :, :, None].expand(-1, channels, -1, -1, 1)
    return cells.gather(-1, index)[..., 0]
