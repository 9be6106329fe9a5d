import pytest
import torch
from torch import nn

from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.training.pretrain.encoders import calibrate


@pytest.fixture
def images():
    torch.manual_seed(1)
    return [torch.rand(4, 3, 64, 64) ** 3 for _ in range(3)]


def test_features_begin_with_unit_scale_at_every_depth(images):
    encoder = Encoder(EncoderConfig((2, 2, 2), 16))
    before = [feature.std() for feature in encoder(images[0])]
    calibrate(encoder, images)
    features = encoder(images[0])
    assert before[-1] < 0.3
    for feature in features:
        assert 0.3 < feature.std() < 1.5
        dead = feature.amax((0, 2, 3)) == 0
        assert not dead.any()


def test_calibration_is_for_once_and_changes_no_parameter(images):
    encoder = Encoder(EncoderConfig((1, 1, 1), 8))
    weights = {name: value.clone() for name, value in encoder.named_parameters()}
    calibrate(encoder, images)
    for name, value in encoder.named_parameters():
        assert torch.equal(value, weights[name]), name
    statistics = {name: value.clone() for name, value in encoder.named_buffers()}
    encoder.train()
    encoder(images[1])
    for name, value in encoder.named_buffers():
        assert torch.equal(value, statistics[name]), name
    assert not any(m.training for m in encoder.modules() if isinstance(m, nn.BatchNorm2d))
