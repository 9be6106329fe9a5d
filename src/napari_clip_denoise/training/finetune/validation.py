"""Scores on held-out patches; lower is better.

Scores are computed as the network is used: on whole noisy patches, without masks or subsampling.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from napari_clip_denoise.network.inference import Network, predict
from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.finetune.noise_swap import swap_noise

SWAPS = 3
BATCH = 8
SMOOTHING = 2.0


@dataclass(frozen=True)
class Validator:
    """Scores a network by its mean squared error on held-out patches.

    If the target is noisy, or has to be replaced by an estimate, the noise of the target adds the
    same amount to the score of every network.

    Parameters
    ----------
    noisy, target : Tensor
        Noisy patches and their targets, (N, C, Y, X).
    against : str
        Description of the target.
    level : Tensor or None
        Noise level (N, 1, Y, X) that the network is told, if it takes one.
    swapped : Tensor or None
        (K, N, C, Y, X): `noisy` with swapped noise, K times, if `target` is `noisy` itself. It
        allows estimating the error against a second noisy image, see `swap_noise`.
    noise : Tensor or None
        (K, N, C, Y, X): the noise that was swapped.
    weight : Tensor or None
        (N, 1 or C, Y, X): how far each pixel of the target counts; by default all in full.
    """

    noisy: Tensor
    target: Tensor
    against: str
    level: Tensor | None = None
    swapped: Tensor | None = None
    noise: Tensor | None = None
    weight: Tensor | None = None

    @torch.no_grad()
    def __call__(self, network: Network, batch: int) -> Tensor:
        """Return the mean squared error of each patch, or its estimate, (N,)."""
        parts = (slice(i, i + batch) for i in range(0, len(self.noisy), batch))
        return torch.cat([self._errors(network, part) for part in parts])

    def untouched(self) -> Tensor:
        """Return the errors of the noisy patches themselves."""
        return self(lambda noisy, *level: noisy, len(self.noisy))

    def to(self, device: torch.device) -> "Validator":
        """Return the validator on a device."""
        moved: dict[str, Any] = {
            name: side.to(device) for name, side in vars(self).items() if isinstance(side, Tensor)
        }
        return replace(self, **moved)

    def _errors(self, network: Network, part: slice) -> Tensor:
        level = None if self.level is None else self.level[part]
        denoised = predict(network, self.noisy[part], level).float()
        squared = (denoised - self.target[part]).square()
        if self.weight is not None:
            weight = self.weight[part].expand_as(squared)
            squared = squared * weight / weight.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-3)
        error = squared.mean(dim=(1, 2, 3))
        if self.swapped is None or self.noise is None:
            return error
        kept = [
            (noise * (denoised - predict(network, swapped, level).float())).mean(dim=(1, 2, 3))
            for swapped, noise in zip(self.swapped[:, part], self.noise[:, part], strict=True)
        ]
        return error + 2 * torch.stack(kept).mean(dim=0)


@torch.no_grad()
def blind_validator(
    patches: Patches, extent: tuple[int, int], denoise: Network, rng: np.random.Generator
) -> Validator:
    """Create a validator for noisy patches without a known truth.

    Parameters
    ----------
    patches : Patches
        Noisy patches; their counterparts are ignored.
    extent : (int, int)
        Reach of the noise correlation in pixels, down and across.
    denoise : callable
        A reasonably good denoiser on the CPU.
    rng : numpy.random.Generator
        Chooses the pixels whose noise is swapped.

    Returns
    -------
    Validator
        The validator.
    """
    noisy = torch.from_numpy(patches.first)
    level = None if patches.level is None else torch.from_numpy(patches.level)
    levels = [None] * len(noisy) if level is None else level.split(BATCH)

    def denoised(images: Tensor) -> Tensor:
        parts = zip(images.split(BATCH), levels, strict=False)
        return torch.cat([predict(denoise, part, told).float() for part, told in parts])

    planes = list(zip(patches.first.reshape(-1, *noisy.shape[-2:]),
                      denoised(noisy).numpy().reshape(-1, *noisy.shape[-2:]),
                      strict=True))  # fmt: skip
    swaps = []
    for _ in range(SWAPS):
        sides = zip(*(swap_noise(*plane, extent, rng) for plane in planes), strict=True)
        swapped, chosen = (torch.from_numpy(np.stack(s)).reshape(noisy.shape) for s in sides)
        noise = torch.where(chosen, noisy - denoised(swapped), 0) / chosen.float().mean()
        swaps.append((swapped, noise))
    against = "a second noisy image, estimated from the first"
    return Validator(noisy, noisy, against, level, *map(torch.stack, zip(*swaps, strict=True)))


def smooth(images: Tensor, level: Tensor | None = None) -> Tensor:
    """Denoise slightly, for use until a better denoiser is available; `level` is ignored."""
    blurred = gaussian_filter(images.numpy(), (0, 0, SMOOTHING, SMOOTHING))
    return torch.from_numpy(blurred)
