"""Base class of the objectives, which turn training patches into inputs and targets."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.network.inference import Network, predict
from napari_clip_denoise.training.data.patch_pool import Patches

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
    level : Tensor or None
        Noise level (N, 1, Y, X) that the network is told, if it takes one.
    aids : tuple of Tensor
        Further tensors that the loss of the objective needs.
    """

    noisy: Tensor
    target: Tensor
    mask: Tensor
    level: Tensor | None = None
    aids: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> "Example":
        """Return the example on a device."""
        noisy, target, mask, *aids = (
            side.to(device) for side in (self.noisy, self.target, self.mask, *self.aids)
        )
        level = None if self.level is None else self.level.to(device)
        return Example(noisy, target, mask, level, tuple(aids))


class Objective:
    """Training objective: makes inputs and targets from patches, and computes the loss.

    This class uses the patches unchanged, the first ones as the input and their counterparts as the
    target. To add an objective, derive a class with a method `plan` from it, see
    `napari_clip_denoise.training.finetune.plan.Plannable`, and register it in
    `napari_clip_denoise.training.finetune.registry`.

    Attributes
    ----------
    name : str
        Name of the objective in the settings.
    allow_mixup : bool
        Whether patches may be blended with each other.
    learning_rate : float
        Suitable peak learning rate.
    augmentation_level : float
        Strength of the feature augmentation, see `Denoiser`.
    """

    name: str
    allow_mixup: bool = False
    learning_rate: float = 3e-4
    augmentation_level: float = 0.025

    @property
    def allow_rot90(self) -> bool:
        """True if patches may be rotated by 90 degrees."""
        return True

    def example(self, patches: Patches, rng: np.random.Generator) -> Example:
        """Make an example from a batch of patches and their counterparts.

        Parameters
        ----------
        patches : Patches
            The batch.
        rng : numpy.random.Generator
            Random number generator.

        Returns
        -------
        Example
            Input and target.
        """
        return make_example(patches.first, patches.second, patches.level)

    def loss(self, network: Network, example: Example) -> Tensor:
        """Return the loss of a network in training: the root mean squared error in the mask."""
        denoised = predict(network, example.noisy, example.level)
        return masked_loss(denoised - example.target, example.mask)


def masked_loss(error: Tensor, mask: Tensor) -> Tensor:
    """Return the root of each patch's mean squared error within the mask, averaged over patches."""
    inside = mask.sum(dim=(1, 2, 3)).clamp(min=1)
    return ((error.square() * mask).sum(dim=(1, 2, 3)) / inside + 1e-6).sqrt().mean()


def make_example(
    noisy: np.ndarray,
    target: np.ndarray,
    level: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> Example:
    """Make an example from arrays; the whole target counts unless there is a mask.

    Parameters
    ----------
    noisy, target : numpy.ndarray
        Input and target, (N, C, Y, X).
    level : numpy.ndarray, optional
        Noise level of the input, (N, 1, Y, X).
    mask : numpy.ndarray, optional
        1 where the target counts, else 0.
    """
    inputs, targets = (torch.from_numpy(np.ascontiguousarray(side)) for side in (noisy, target))
    where = torch.ones_like(targets) if mask is None else torch.from_numpy(mask)
    told = None if level is None else torch.from_numpy(np.ascontiguousarray(level))
    return Example(inputs, targets, where, told)
