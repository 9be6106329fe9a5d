"""Features of noisy images held to those of the clean ones while an encoder is trained."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clip_denoise.network.denoiser import Denoiser


def cosine_similarity(clean: Tensor, noisy: Tensor) -> Tensor:
    """Mean over places of the cosine between channel vectors, without the clean mean.

    Each channel's mean over the clean image is taken off both before, since features after a
    ReLU, all positive, are alike for any two images.

    Parameters
    ----------
    clean, noisy : Tensor
        (N, C, H, W).
    """
    mean = clean.mean(dim=(2, 3), keepdim=True)
    return functional.cosine_similarity(clean - mean, noisy - mean, dim=1).mean()


def feature_distance(clean: Sequence[Tensor], noisy: Sequence[Tensor]) -> Tensor:
    """Mean cosine distance of several features: 0 where noise changes none of them."""
    pairs = zip(clean, noisy, strict=True)
    return torch.stack([1 - cosine_similarity(a.float(), b.float()) for a, b in pairs]).mean()


class TrainedDenoiser(nn.Module):
    """A denoiser that also says, while it learns, how far noise turns its features.

    The clean side is a fixed target, without a gradient. Were it pulled to the noisy side as
    well, the cheapest way to agree would be features that leave out whatever noise can hide,
    and content is what the decoder needs them for. It also saves a backward pass.

    Parameters
    ----------
    denoiser : Denoiser
        What is trained.
    is_measured : bool
        Whether the distance is computed; without it, it is 0 at no cost.
    """

    def __init__(self, denoiser: Denoiser, is_measured: bool):
        super().__init__()
        self.denoiser = denoiser
        self.is_measured = is_measured

    def forward(self, noisy: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Denoise a batch, features augmented, and give the distance of F1 to F4 to the clean's."""
        features = self.denoiser.features(noisy)
        denoised = self.denoiser.decode(noisy, self.denoiser.augment(features))
        if not self.is_measured:
            return denoised, denoised.new_zeros(())
        with torch.no_grad():
            target = self.denoiser.features(clean)
        return denoised, feature_distance(target[1:], features[1:])
