"""The complete denoising network of encoder and decoder."""

import torch
from torch import Tensor, nn

from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.decoder import IMAGE_FEATURE_CHANNELS, Decoder
from napari_clip_denoise.network.encoder import Encoder

STRIDE = 16
"""Total stride of the encoder; H and W of the input must be multiples of it."""


class Denoiser(nn.Module):
    """A denoising network on frozen dense features.

    Parameters
    ----------
    config : DenoiserConfig
        Architecture; by default the paper's on CLIP RN50.
    augmentation_level : float
        Strength of the progressive feature augmentation: in training mode, feature F_i
        (i = 1..4) is multiplied elementwise by ``1 + N(0, augmentation_level * i)``, where the
        second argument is the standard deviation.

    References
    ----------
    Cheng, Liang, Tan, "Transfer CLIP for Generalizable Image Denoising", CVPR 2024.
    """

    def __init__(self, config: DenoiserConfig | None = None, augmentation_level: float = 0.025):
        super().__init__()
        self.config = config or DenoiserConfig()
        self.augmentation_level = augmentation_level
        self.encoder = Encoder(self.config.encoder)
        self.decoder = Decoder(self.config)
        self.first: nn.Module = nn.Identity()
        if self.config.channels == 1:
            self.first = nn.Conv2d(1, IMAGE_FEATURE_CHANNELS, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Denoise a batch.

        Parameters
        ----------
        image : Tensor
            (N, channels, H, W), values about [0, 1]; H and W are multiples of `STRIDE`.

        Returns
        -------
        Tensor
            Denoised images of the same shape, not clipped.
        """
        features = self.features(image)
        if self.training:
            features = self.augment(features)
        return self.decode(image, features)

    def features(self, image: Tensor) -> list[Tensor]:
        """Compute the features F0 to F4 of a batch (N, channels, H, W)."""
        expanded = self.first(image)
        joined = expanded if self.config.decoder_stride == 1 else image
        return [joined, *self.encoder(expanded)]

    def augment(
        self,
        features: list[Tensor],
        level: float | None = None,
        generator: torch.Generator | None = None,
    ) -> list[Tensor]:
        """Apply the progressive feature augmentation; F0 is unchanged.

        Parameters
        ----------
        features : list of Tensor
            F0 to F4.
        level : float, optional
            Strength of the augmentation, `augmentation_level` by default.
        generator : torch.Generator, optional
            Random generator on the device of the features.
        """
        level = self.augmentation_level if level is None else level
        return [
            feature * (1 + level * depth * torch.empty_like(feature).normal_(generator=generator))
            if depth and level
            else feature
            for depth, feature in enumerate(features)
        ]

    def decode(self, image: Tensor, features: list[Tensor]) -> Tensor:
        """Decode the features F0 to F4 of `image` to a denoised image (N, channels, H, W)."""
        decoded = self.decoder(features)
        return image + decoded if self.config.residual else decoded
