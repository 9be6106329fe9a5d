"""The frozen encoder: CLIP's ResNet without its last stage and attention pool."""

from typing import Self

from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from napari_clip_denoise.network.config import EncoderConfig


class Encoder(ModifiedResNet):
    """Dense features of an image at strides 2, 4, 8 and 16.

    A frozen part: its parameters ask for no gradient, and its batch normalisation always uses
    the stored statistics, also after ``.train()``. Parameter names are those of
    ``open_clip``'s ``visual`` tower, so its state dict loads as it is.

    Parameters
    ----------
    config : EncoderConfig
        Number of blocks and width.

    References
    ----------
    Cheng, Liang, Tan, "Transfer CLIP for Generalizable Image Denoising", CVPR 2024.
    """

    def __init__(self, config: EncoderConfig | None = None):
        config = config or EncoderConfig()
        super().__init__(
            layers=[*config.layers, 1], output_dim=1, heads=1, image_size=32, width=config.width
        )
        del self.layer4, self.attnpool
        self.config = config
        self.requires_grad_(False)
        self.eval()

    def init_parameters(self) -> None:
        """Initialise the weights of an encoder that none are loaded into (He et al., 2015)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        super().init_parameters()

    def train(self, mode: bool = True) -> Self:
        """Keep evaluation mode, whatever `mode` is: frozen means frozen."""
        return super().train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the features F1 to F4.

        Parameters
        ----------
        image : Tensor
            (N, 3, H, W), values about [0, 1], without CLIP's mean and deviation applied.
            H and W are multiples of 16.

        Returns
        -------
        list of Tensor
            Four tensors (N, C_i, H / 2**i, W / 2**i), C_i as in
            `EncoderConfig.feature_channels`.
        """
        x = self.act1(self.bn1(self.conv1(image)))
        x = self.act2(self.bn2(self.conv2(x)))
        stem = self.act3(self.bn3(self.conv3(x)))
        features = [stem]
        x = self.avgpool(stem)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    @property
    def stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """The three residual stages, from fine to coarse."""
        return self.layer1, self.layer2, self.layer3
