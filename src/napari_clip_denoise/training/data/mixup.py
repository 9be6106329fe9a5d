"""Mixup augmentation, as used in the paper."""

import numpy as np
import torch
from torch import Tensor

STRENGTH = 1.2
"""Strength used in the paper."""


def mix_up(
    noisy: Tensor,
    clean: Tensor,
    rng: np.random.Generator,
    *,
    chance: float,
    strength: float = STRENGTH,
) -> tuple[Tensor, Tensor]:
    """Blend each patch of a batch with another one, or return the batch unchanged.

    Parameters
    ----------
    noisy, clean : Tensor
        Noisy and clean patches, (N, ...).
    rng : numpy.random.Generator
        Decides whether to blend, and draws the partners and weights.
    chance : float
        Probability that the batch is blended.
    strength : float
        Parameter of the distribution Beta(strength, strength) of the weights; 0 never blends.

    Returns
    -------
    noisy, clean : Tensor
        The blended patches, of the same shape.

    References
    ----------
    Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.
    """
    if not strength or rng.random() >= chance:
        return noisy, clean
    share = float(rng.beta(strength, strength))
    order = torch.from_numpy(rng.permutation(len(noisy))).to(noisy.device)
    return noisy.lerp(noisy[order], 1 - share), clean.lerp(clean[order], 1 - share)
