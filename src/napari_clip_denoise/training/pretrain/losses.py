"""Losses of a training on clean images."""

import torch
from torch import Tensor

LEAST_NOISE = 1 / 255


def root_mean_square(denoised: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the root of each patch's mean squared error, averaged over the batch.

    Its minimiser is the conditional mean, so intensities stay unbiased. Unlike the mean squared
    error, it gives weak and strong noise equal weight.

    Parameters
    ----------
    denoised, noisy, clean : Tensor
        (N, C, H, W). `noisy` is not used.
    """
    return ((denoised - clean).square().mean(dim=(1, 2, 3)) + 1e-6).sqrt().mean()


def mean_absolute(denoised: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the mean absolute error, the loss used in the paper.

    Parameters
    ----------
    denoised, noisy, clean : Tensor
        (N, C, H, W). `noisy` is not used.
    """
    return (denoised - clean).abs().mean()


def relative_error(denoised: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the root mean squared error of each patch over the root of that of the noisy patch.

    What a good denoiser leaves of Gaussian noise grows about like the root of the noise, so the
    ratio gives a decibel the same weight at each level, and patches with values far outside [0, 1]
    cannot outweigh the others. A result worse than its noisy patch counts with the logarithm. The
    minimiser for patches of one level is the conditional mean, as of `root_mean_square`.

    Parameters
    ----------
    denoised, noisy, clean : Tensor
        (N, C, H, W).
    """
    before = (noisy - clean).square().mean(dim=(1, 2, 3)).sqrt().clamp_min(LEAST_NOISE)
    after = ((denoised - clean).square().mean(dim=(1, 2, 3)) + 1e-8).sqrt()
    ratio = after / before
    bounded = torch.where(ratio > 1, 1 + ratio.clamp_min(1).log(), ratio)
    return (before.sqrt() * bounded).mean()


LOSSES = {"rms": root_mean_square, "relative": relative_error, "l1": mean_absolute}
