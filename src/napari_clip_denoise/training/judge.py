"""Scores of held-out patches, the lower the better.

They are taken as the network is used: on whole noisy patches, none of them masked or sub-sampled.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.noise.correlation import NoiseCorrelation
from napari_clip_denoise.training.objectives import Network


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
    variance : Tensor or None
        (N,), the noise variance of each patch, where `target` is `noisy` itself. Then the error
        against a second noisy image is estimated without bias (Stein, 1981).
    probe : Tensor or None
        (N, C, Y, X), noise of variance 1 that is correlated as that of the patches.

    References
    ----------
    Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics
    9, 1981. Ramani, Blu, Unser, "Monte-Carlo SURE", IEEE Transactions on Image Processing 17, 2008.
    """

    noisy: Tensor
    target: Tensor
    against: str
    variance: Tensor | None = None
    probe: Tensor | None = None

    STEP = 1e-2

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
        noisy = self.noisy[part]
        denoised = network(noisy).float()
        error = (denoised - self.target[part]).square().mean(dim=(1, 2, 3))
        if self.variance is None or self.probe is None:
            return error
        probe, variance = self.probe[part], self.variance[part]
        response = (network(noisy + self.STEP * probe).float() - denoised) / self.STEP
        return error + 2 * variance * (probe * response).mean(dim=(1, 2, 3))


def blind_judge(
    noisy: np.ndarray,
    variance: np.ndarray,
    correlation: NoiseCorrelation,
    rng: np.random.Generator,
) -> Judge:
    """Make the judge of noisy patches whose truth nobody knows.

    Parameters
    ----------
    noisy : numpy.ndarray
        (N, C, Y, X).
    variance : numpy.ndarray
        (N,), noise variance of each.
    correlation : NoiseCorrelation
        Of the noise of neighbouring pixels.
    rng : numpy.random.Generator
        For the probe.
    """
    patches = torch.from_numpy(noisy)
    probe = correlation.colour(rng.standard_normal(noisy.shape, np.float32))
    against = "a second noisy image, estimated from the first"
    return Judge(
        patches, patches, against, torch.from_numpy(variance).float(), torch.from_numpy(probe)
    )
