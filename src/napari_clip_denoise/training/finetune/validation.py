"""Scores of held-out patches, the lower the better.

They are taken as the network is used: on whole noisy patches, none of them masked or sub-sampled.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from napari_clip_denoise.training.finetune.exchange import exchange_noise
from napari_clip_denoise.training.finetune.objectives import Network

EXCHANGES = 3
BATCH = 8
SMOOTHING = 2.0


@dataclass(frozen=True)
class Judge:
    """Scores a network on held-out patches, by its mean squared error.

    Where the target is noisy, or is not there and has to be done without, the noise of the target
    adds the same to the score of every network.

    Parameters
    ----------
    noisy, target : Tensor
        (N, C, Y, X).
    against : str
        What the target is, in words.
    exchanged : Tensor or None
        (K, N, C, Y, X): `noisy` with the noise of some pixels exchanged, K times, where `target`
        is `noisy` itself. It tells the error against a second noisy image, see `exchange_noise`.
    noise : Tensor or None
        (K, N, C, Y, X): what was exchanged.
    """

    noisy: Tensor
    target: Tensor
    against: str
    exchanged: Tensor | None = None
    noise: Tensor | None = None

    @torch.no_grad()
    def __call__(self, network: Network, batch: int) -> Tensor:
        """Mean squared error of each patch, or its estimate, (N,)."""
        parts = (slice(i, i + batch) for i in range(0, len(self.noisy), batch))
        return torch.cat([self._errors(network, part) for part in parts])

    def untouched(self) -> Tensor:
        """The errors of the noisy patches themselves."""
        return self(lambda noisy: noisy, len(self.noisy))

    def to(self, device: torch.device) -> "Judge":
        """The same on a device."""
        moved: dict[str, Any] = {
            name: side.to(device) for name, side in vars(self).items() if isinstance(side, Tensor)
        }
        return replace(self, **moved)

    def _errors(self, network: Network, part: slice) -> Tensor:
        denoised = network(self.noisy[part]).float()
        error = (denoised - self.target[part]).square().mean(dim=(1, 2, 3))
        if self.exchanged is None or self.noise is None:
            return error
        kept = [
            (noise * (denoised - network(exchanged).float())).mean(dim=(1, 2, 3))
            for exchanged, noise in zip(self.exchanged[:, part], self.noise[:, part], strict=True)
        ]
        return error + 2 * torch.stack(kept).mean(dim=0)


@torch.no_grad()
def blind_judge(
    noisy: np.ndarray, extent: tuple[int, int], denoise: Network, rng: np.random.Generator
) -> Judge:
    """Make the judge of noisy patches whose truth nobody knows.

    Parameters
    ----------
    noisy : numpy.ndarray
        (N, C, Y, X).
    extent : (int, int)
        How far noise is correlated, down and across.
    denoise : callable
        A denoiser that is known to be fair, on the CPU.
    rng : numpy.random.Generator
        Chooses the pixels whose noise is exchanged.
    """

    def denoised(images: Tensor) -> Tensor:
        return torch.cat([denoise(part).float() for part in images.split(BATCH)])

    patches = torch.from_numpy(noisy)
    planes = list(zip(noisy.reshape(-1, *noisy.shape[-2:]),
                      denoised(patches).numpy().reshape(-1, *noisy.shape[-2:]),
                      strict=True))  # fmt: skip
    exchanges = []
    for _ in range(EXCHANGES):
        sides = zip(*(exchange_noise(*plane, extent, rng) for plane in planes), strict=True)
        exchanged, chosen = (torch.from_numpy(np.stack(s)).reshape(patches.shape) for s in sides)
        noise = torch.where(chosen, patches - denoised(exchanged), 0) / chosen.float().mean()
        exchanges.append((exchanged, noise))
    against = "a second noisy image, estimated from the first"
    return Judge(patches, patches, against, *map(torch.stack, zip(*exchanges, strict=True)))


def smooth(images: Tensor) -> Tensor:
    """Denoise a little, where there is no better denoiser yet."""
    blurred = gaussian_filter(images.numpy(), (0, 0, SMOOTHING, SMOOTHING))
    return torch.from_numpy(blurred)
