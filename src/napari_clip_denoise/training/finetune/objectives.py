"""Objectives, which turn training patches into inputs and targets of the network."""

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
"""Rate for noisy targets that also hide a part of the image; higher rates fit their noise."""


@dataclass(frozen=True)
class Example:
    """Batch to train on; all tensors are (N, C, Y, X).

    Attributes
    ----------
    noisy : Tensor
        Input of the network.
    target : Tensor
        Target of the network.
    mask : Tensor
        1 where the target counts, else 0.
    aids : tuple of Tensor
        Further tensors that the loss of the objective needs.
    """

    noisy: Tensor
    target: Tensor
    mask: Tensor
    aids: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> "Example":
        """Return the example on a device."""
        noisy, target, mask, *aids = (
            side.to(device) for side in (self.noisy, self.target, self.mask, *self.aids)
        )
        return Example(noisy, target, mask, tuple(aids))


class Objective(Protocol):
    """Training objective: makes inputs and targets, and computes the loss."""

    @property
    def name(self) -> str:
        """Name of the objective in the settings."""
        ...

    @property
    def turns(self) -> bool:
        """True if patches may be rotated by 90 degrees."""
        ...

    @property
    def mixes(self) -> bool:
        """True if patches may be blended with each other."""
        ...

    @property
    def learning_rate(self) -> float:
        """Suitable peak learning rate."""
        ...

    @property
    def augmentation_level(self) -> float:
        """Strength of the feature augmentation, see `Denoiser`."""
        ...

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Make an example from a batch of patches and their counterparts.

        Parameters
        ----------
        first, second : numpy.ndarray
            Patches and counterparts, (N, C, Y, X), float32.
        rng : numpy.random.Generator
            Random number generator.

        Returns
        -------
        Example
            Input and target.
        """
        ...

    def loss(self, network: Network, example: Example) -> Tensor:
        """Return the loss of a network in training."""
        ...


def masked_loss(error: Tensor, mask: Tensor) -> Tensor:
    """Return the root of each patch's mean squared error within the mask, averaged over patches."""
    inside = mask.sum(dim=(1, 2, 3)).clamp(min=1)
    return ((error.square() * mask).sum(dim=(1, 2, 3)) / inside + 1e-6).sqrt().mean()


class _Plain:
    """Patches used unchanged: one side as the input, the other as the target."""

    mixes = False
    learning_rate = 3e-4
    augmentation_level = 0.025

    @property
    def turns(self) -> bool:
        """Always True."""
        return True

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Use the first patches as the input and the second ones as the target.

        Parameters
        ----------
        first, second, rng :
            See `Objective.example`.
        """
        return _example(first, second)

    def loss(self, network: Network, example: Example) -> Tensor:
        """Return the root mean squared error within the mask."""
        return masked_loss(network(example.noisy) - example.target, example.mask)


class Supervised(_Plain):
    """Objective for noisy images with clean ones of the same fields."""

    name = "supervised"
    mixes = True


class Refinement(_Plain):
    """Objective for noisy images alone: the initial model denoises them, and noise is added again.

    The network learns to remove this noise from images of this kind. It can only be as good as the
    initial model and the noise measurement: it cannot learn structure that the model has missed.

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
    """Objective for two noisy images of the same field, each of which serves as the other's target.

    References
    ----------
    Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML 2018.
    """

    name = "noise2noise"

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Use one patch of each pair, chosen at random, as the input and the other as target.

        Parameters
        ----------
        first, second, rng :
            See `Objective.example`.
        """
        swap = rng.random((len(first), 1, 1, 1)) < 0.5
        return _example(np.where(swap, second, first), np.where(swap, first, second))


@dataclass(frozen=True)
class Synthetic(_Plain):
    """Objective for clean images, to which noise is added.

    Parameters
    ----------
    noise : CameraNoise
        Noise on the raw scale of the patches.
    mapping : ChannelMapping
        Mapping from that scale to the network's.
    """

    noise: CameraNoise
    mapping: ChannelMapping
    name = "synthetic"
    mixes = True

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Add noise to the first patches, which are clean raw values, and map both.

        Parameters
        ----------
        first, second, rng :
            See `Objective.example`.
        """
        noisy = self.mapping.normalize(self.noise(first, rng))
        return _example(noisy, self.mapping.expected(first))


@dataclass(frozen=True)
class Noise2Void(_Plain):
    """Objective for noisy images alone: hidden pixels are predicted from those around them.

    Parameters
    ----------
    extent : (int, int)
        Reach of the noise correlation in pixels, down and across. This many pixels on each side
        are hidden as well (structN2V), so that their noise does not reveal that of the pixel.
    share : float
        Fraction of the pixels that the loss is computed on.

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
        """True unless the noise has a direction."""
        return self.extent[0] == self.extent[1]

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Hide pixels of the noisy patches by replacing them with others nearby.

        Parameters
        ----------
        first, second, rng :
            See `Objective.example`.
        """
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
        """Return the offsets (N, 2) of the pixels around those that are hidden together."""
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
    """Objective for noisy images alone: of each 2 x 2 pixels, one is the input, another the target.

    Parameters
    ----------
    weight : float
        Weight of the regulariser, which corrects for the different positions of the two pixels.

    References
    ----------
    Huang et al., "Neighbor2Neighbor: self-supervised denoising from single noisy images",
    CVPR 2021.
    """

    weight: float = 2.0
    name = "neighbor2neighbor"
    learning_rate = LOW_RATE

    def example(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Example:
        """Subsample the noisy patches twice.

        Parameters
        ----------
        first, second, rng :
            See `Objective.example`.
        """
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
        """Return the error against the neighbour plus the regulariser.

        The regulariser compares this error with the difference between both pixels in the denoised
        whole image.
        """
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
    """Select from every 2 x 2 pixels of (N, C, Y, X) the one given by `corner` (N, Y/2, X/2)."""
    n, channels, height, width = images.shape
    cells = images.reshape(n, channels, height // 2, 2, width // 2, 2).permute(0, 1, 2, 4, 3, 5)
    cells = cells.reshape(n, channels, height // 2, width // 2, 4)
    index = corner[:, None, :, :, None].expand(-1, channels, -1, -1, 1)
    return cells.gather(-1, index)[..., 0]
