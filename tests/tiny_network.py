"""A network small enough for any test."""

from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig

TINY = DenoiserConfig(
    encoder=EncoderConfig(layers=(1, 1, 1), width=8),
    channels=1,
    decoder_channels=(32, 16, 16, 8, 8),
    align_corners=False,
    residual=True,
)
