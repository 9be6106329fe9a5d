from dataclasses import replace

import pytest
import torch

from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.pretrain.growth import fits, initial_weights


def blind(channels):
    return DenoiserConfig(
        EncoderConfig((1, 1, 1), 8), channels, (16, 16, 8, 8), False, True, decoder_stride=2
    )


def told(channels, depth=2):
    config = blind(channels)
    encoder = replace(config.encoder, in_channels=channels + 1)
    return replace(config, encoder=encoder, noise_level=True, decoder_depth=depth)


def grown(old, config, reinit=()):
    torch.manual_seed(1)
    network = Denoiser(config).eval()
    network.load_state_dict(initial_weights(network, old, reinit))
    return network


@pytest.fixture(params=[1, 3])
def old(request):
    torch.manual_seed(0)
    network = Denoiser(blind(request.param)).eval()
    for name, value in network.named_parameters():
        if "bn3.weight" in name:
            value.fill_(1)
    return network


def test_a_grown_network_computes_the_same_at_level_0_and_listens_to_others(old):
    channels = old.config.channels
    network = grown(old, told(channels))
    image = torch.rand(1, channels, 32, 32)
    silent = torch.zeros(1, 1, 32, 32)
    torch.testing.assert_close(network(image, silent), old(image))
    assert not torch.allclose(network(image, silent + 0.1), old(image), atol=1e-3)


def test_further_convolutions_begin_as_the_identity(old):
    channels = old.config.channels
    network = grown(old, told(channels, depth=3))
    added = network.decoder.up_path[1].conv_block.block[4].weight
    x = torch.rand(1, 16, 9, 9)
    torch.testing.assert_close(torch.conv2d(x, added, padding=1), x)


def test_a_wider_decoder_begins_with_the_same_result_and_all_of_it_learns(old):
    channels = old.config.channels
    wider = replace(old.config, decoder_channels=(24, 20, 16, 12))
    network = grown(old, wider)
    image = torch.rand(2, channels, 32, 32)
    torch.testing.assert_close(network(image), old(image))
    optimiser = torch.optim.SGD(network.decoder.parameters(), 0.01)
    for _ in range(2):
        optimiser.zero_grad()
        network(image).square().mean().backward()
        optimiser.step()
    for name, value in network.decoder.named_parameters():
        assert value.grad.abs().amax((1, 2, 3)).min() > 0, name


def test_parts_start_anew_and_damped_if_asked(old):
    reinit = ("encoder.layer3", "decoder.up_path.0")
    network = grown(old, told(old.config.channels), reinit)
    torch.manual_seed(1)
    fresh = Denoiser(told(old.config.channels)).state_dict()
    for name, value in network.state_dict().items():
        if name.startswith("encoder.layer3"):
            torch.testing.assert_close(value, fresh[name])
    last = "decoder.up_path.0.conv_block.block.2.weight"
    torch.testing.assert_close(network.state_dict()[last], 0.1 * fresh[last])


def test_a_network_of_the_same_shape_gets_all_weights(old):
    again = grown(old, old.config)
    for name, value in old.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)


def test_encoders_of_other_shapes_do_not_fit():
    wider = replace(blind(1), encoder=EncoderConfig((1, 1, 1), 16))
    assert fits(blind(1), told(1))
    assert fits(blind(3), told(3))
    assert fits(told(3), told(3))
    assert not fits(wider, told(1))
    assert not fits(told(3), blind(3))
