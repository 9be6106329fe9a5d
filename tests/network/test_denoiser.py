import pytest
import torch
from torch import nn

from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.network.inference import fold
from tiny_network import TINY


def randomise_norms(module: nn.Module) -> None:
    """Give batch normalisation statistics and weights that do something."""
    generator = torch.Generator().manual_seed(3)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight.data, norm.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            for tensor in (norm.bias.data, norm.running_mean):
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))


def test_the_default_is_the_papers_network():
    denoiser = Denoiser()
    assert sum(p.numel() for p in denoiser.decoder.parameters()) == pytest.approx(10.99e6, rel=1e-3)
    assert len(denoiser.encoder.layer3) == 6
    names = [name for name, _ in denoiser.named_modules()]
    assert not any("layer4" in name or "attnpool" in name for name in names)
    assert all(conv.bias is None for conv in denoiser.modules() if isinstance(conv, nn.Conv2d))


@pytest.mark.parametrize("width", [8, 64])
def test_features_have_the_papers_channels_and_strides(width):
    config = EncoderConfig(layers=(1, 1, 1), width=width)
    features = Encoder(config)(torch.rand(2, 3, 64, 96))
    assert [f.shape[1] for f in features] == list(config.feature_channels)
    assert [f.shape[2:] for f in features] == [(32, 48), (16, 24), (8, 12), (4, 6)]


def test_the_encoder_stays_frozen_in_training():
    denoiser = Denoiser(TINY).train()
    before = {name: value.clone() for name, value in denoiser.encoder.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in denoiser.parameters() if p.requires_grad], lr=0.1)
    denoiser(torch.rand(2, 1, 32, 32)).square().mean().backward()
    optimizer.step()
    assert denoiser.training
    assert denoiser.decoder.training
    assert not any(m.training for m in denoiser.encoder.modules())
    assert not any(p.requires_grad for p in denoiser.encoder.parameters())
    for name, value in denoiser.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_output_has_the_shape_of_the_input(channels, residual, stride):
    blocks = (32, 16, 16, 8, 8)[: 6 - stride]
    config = DenoiserConfig(EncoderConfig((1, 1, 1), 8), channels, blocks, True, residual, stride)
    image = torch.rand(2, channels, 48, 32)
    assert Denoiser(config).eval()(image).shape == image.shape


@pytest.mark.parametrize(
    "wrong",
    [{"channels": 2}, {"decoder_stride": 4}, {"decoder_stride": 2}, {"decoder_channels": (8, 8)}],
)
def test_shapes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"a (denoiser|decoder)"):
        DenoiserConfig(**wrong)


def test_augmentation_grows_with_depth_and_spares_the_image():
    denoiser = Denoiser(TINY, augmentation_level=0.1)
    torch.manual_seed(0)
    ones = [torch.ones(1, 1, 200, 200) for _ in range(5)]
    augmented = denoiser.augment(ones)
    assert torch.equal(augmented[0], ones[0])
    for depth, feature in enumerate(augmented[1:], start=1):
        assert feature.mean() == pytest.approx(1, abs=0.01)
        assert feature.std() == pytest.approx(0.1 * depth, rel=0.05)


def test_augmentation_is_for_training_only():
    denoiser = Denoiser(TINY)
    image = torch.rand(1, 1, 32, 32)
    denoiser.eval()
    assert torch.equal(denoiser(image), denoiser(image))
    denoiser.train()
    assert not torch.equal(denoiser(image), denoiser(image))


CONFIGS = pytest.mark.parametrize(
    "config",
    [
        TINY,
        DenoiserConfig(EncoderConfig((1, 2, 2), 64)),
        DenoiserConfig(EncoderConfig((1, 1, 1), 8), 3, (16, 16, 8, 8), False, True, 2),
    ],
    ids=["tiny", "wide", "stride 2"],
)


@CONFIGS
def test_the_folded_network_computes_the_same(config):
    torch.manual_seed(0)
    denoiser = Denoiser(config).eval()
    randomise_norms(denoiser)
    image = torch.rand(2, config.channels, 96, 64)
    folded = fold(denoiser)
    with torch.no_grad():
        expected, actual = denoiser(image), folded(image)
    assert expected.std() > 1e-3
    assert (actual - expected).abs().max() < 1e-4
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in denoiser.modules())


@CONFIGS
def test_the_last_convolution_stays_in_float32_under_autocast(config):
    torch.manual_seed(0)
    denoiser = Denoiser(config).eval()
    randomise_norms(denoiser)
    image = torch.rand(2, config.channels, 96, 64)
    folded = fold(denoiser)
    with torch.no_grad():
        expected = denoiser(image)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = folded(image)
    assert mixed.dtype == torch.float32
    change = (expected - expected.mean()).std()
    assert 0 < (mixed - expected).square().mean().sqrt() / change < 0.05
