"""Mixup, as the paper trains with it."""

import numpy as np
import torch
from torch import Tensor

STRENGTH = 1.2
"""The paper's."""


def mix_up(
    noisy: Tensor,
    clean: Tensor,
    rng: np.random.Generator,
    *,
    chance: float,
    strength: float = STRENGTH,
) -> tuple[Tensor, Tensor]:
    """Blend each patch of a batch with another, or leave the batch as it is.

    Parameters
    ----------
    noisy, clean : Tensor
        Both sides, (N, ...).
    rng : numpy.random.Generator
        Draws whether, with whom and how much.
    chance : float
        Of being blended at all.
    strength : float
        Shares are drawn from Beta(strength, strength); 0 never blends.

    References
    ----------
    Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.
    """
    if not strength or rng.random() >= chance:
        return noisy, clean
    share = float(rng.beta(strength, strength))
    order = torch.from_numpy(rng.permutation(len(noisy))).to(noisy.device)
    return noisy.lerp(noisy[order], 1 - share), clean.lerp(clean[order], 1 - share)
