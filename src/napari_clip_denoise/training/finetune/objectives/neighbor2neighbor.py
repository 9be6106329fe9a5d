"""Learning from noisy images alone by comparing neighbouring pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.network.inference import Network, predict
from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.finetune.objective import (
    LOW_RATE,
    Example,
    Objective,
    masked_loss,
)
from napari_clip_denoise.training.finetune.plan import Plan, Request, plan_blind


@dataclass(frozen=True)
class Neighbor2Neighbor(Objective):
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

    def example(self, patches: Patches, rng: np.random.Generator) -> Example:
        """Subsample the noisy patches twice.

        Parameters
        ----------
        patches, rng
            See `Objective.example`.
        """
        first = patches.first
        n, _, height, width = first.shape
        shape = (n, height // 2, width // 2)
        start = rng.integers(4, size=shape)
        step = np.where(rng.random(shape) < 0.5, 1, 3)
        around = np.array([0, 1, 3, 2])
        corners = np.stack([around[start], around[(start + step) % 4]])
        whole, picked = torch.from_numpy(first), torch.from_numpy(corners)
        noisy, target = (_pick(whole, corner) for corner in picked)
        aids = (whole, picked)
        if patches.level is None:
            return Example(noisy, target, torch.ones_like(noisy), aids=aids)
        level = torch.from_numpy(patches.level)
        picked_level = _pick(level, picked[0])
        return Example(noisy, target, torch.ones_like(noisy), picked_level, (*aids, level))

    def loss(self, network: Network, example: Example) -> Tensor:
        """Return the error against the neighbour plus the regulariser.

        The regulariser compares this error with the difference between both pixels in the denoised
        whole image.
        """
        whole, corners, *levels = example.aids
        error = predict(network, example.noisy, example.level) - example.target
        with torch.no_grad():
            denoised = predict(network, whole, levels[0] if levels else None)
        one, other = (_pick(denoised, corner) for corner in corners)
        plain = masked_loss(error, example.mask)
        return plain + self.weight * masked_loss(error - (one - other), example.mask)

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Warn if the noise of neighbours is correlated."""
        notes: tuple[str, ...] = ()
        if not request.correlation.is_white:
            notes = (
                "The noise of neighbouring pixels is correlated, which neighbor2neighbor takes for "
                "structure; noise2void fits better.",
            )
        return plan_blind(cls(), request, request.why, notes)


def _pick(images: Tensor, corner: Tensor) -> Tensor:
    """Select from every 2 x 2 pixels of (N, C, Y, X) the one given by `corner` (N, Y/2, X/2)."""
    n, channels, height, width = images.shape
    cells = images.reshape(n, channels, height // 2, 2, width // 2, 2).permute(0, 1, 2, 4, 3, 5)
    cells = cells.reshape(n, channels, height // 2, width // 2, 4)
    index = corner[:, None, :, :, None].expand(-1, channels, -1, -1, 1)
    return cells.gather(-1, index)[..., 0]
