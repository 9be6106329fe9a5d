"""A network small enough for any test."""

from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig

TINY = DenoiserConfig(
    encoder=EncoderConfig(layers=(1, 1, 1), width=8),
    channels=1,
    decoder_channels=(32, 16, 16, 8, 8),
    align_corners=False,
    residual=True,
)

TOLD = DenoiserConfig(
    encoder=EncoderConfig(layers=(1, 1, 1), width=8, shifts=False),
    channels=1,
    decoder_channels=(16, 16, 8, 8),
    align_corners=False,
    residual=True,
    decoder_stride=2,
    noise_level=True,
)
"""A network that is told the noise level, and has no additive constants."""
