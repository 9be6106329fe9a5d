"""The complete denoising network of encoder and decoder."""

import torch
from torch import Tensor, nn

from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.decoder import Decoder
from napari_clip_denoise.network.encoder import Encoder

UNKNOWN_LEVEL = -0.1
"""Initial value that stands for an unknown noise level; it is learned."""


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
        channels = self.config.channels + self.config.noise_level
        if channels != self.config.encoder.in_channels:
            self.first = nn.Conv2d(channels, self.config.encoder.in_channels, 1, bias=False)
        if self.config.noise_level:
            self.unknown_level = nn.Parameter(torch.tensor(UNKNOWN_LEVEL))

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        """Denoise a batch.

        Parameters
        ----------
        image : Tensor
            (N, channels, H, W), values about [0, 1]; H and W are multiples of `config.STRIDE`.
        level : Tensor, optional
            Standard deviation of the noise (N, 1, H, W) on the scale of the image, NaN where it is
            unknown. By default, it is unknown everywhere. Networks without the input
            `DenoiserConfig.noise_level` take none.

        Returns
        -------
        Tensor
            Denoised images of the same shape, not clipped.
        """
        features = self.features(image, level)
        if self.training:
            features = self.augment(features)
        return self.decode(image, features)

    def features(self, image: Tensor, level: Tensor | None = None) -> list[Tensor]:
        """Compute the features F0 to F4 of a batch.

        Parameters
        ----------
        image : Tensor
            (N, channels, H, W).
        level : Tensor, optional
            Noise level (N, 1, H, W), see `forward`; it becomes the last channel of F0.
        """
        joined, expanded = self.prepare(image, level)
        return [joined, *self.encoder(expanded)]

    def prepare(self, image: Tensor, level: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return F0 and the input of the encoder.

        Parameters
        ----------
        image : Tensor
            (N, channels, H, W).
        level : Tensor, optional
            Noise level (N, 1, H, W), see `forward`.
        """
        if not self.config.noise_level:
            if level is not None:
                raise ValueError("this network takes no noise level")
            expanded = self.first(image)
            return (expanded if self.config.decoder_stride == 1 else image), expanded
        known = self._known(image, level)
        expanded = self.first(torch.cat([image, known], dim=1))
        joined = expanded if self.config.decoder_stride == 1 else image
        return torch.cat([joined, known], dim=1), expanded

    def _known(self, image: Tensor, level: Tensor | None) -> Tensor:
        """Return a noise level in which the learned value stands for an unknown one."""
        unknown = self.unknown_level.to(image.dtype)
        if level is None:
            return unknown.expand(image.shape[0], 1, *image.shape[-2:])
        return torch.where(level.isnan(), unknown, level)

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
