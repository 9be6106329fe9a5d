from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.inference import fold, self_ensemble
from tiny_network import TINY

TOLD = DenoiserConfig(
    EncoderConfig((1, 1, 1), 8, shifts=False), 1, (16, 16, 8, 8), False, True, 2, 3, True
)


def told(config=TOLD):
    torch.manual_seed(0)
    denoiser = Denoiser(config).eval().requires_grad_(False)
    for module in denoiser.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return denoiser


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_level_changes_the_result_where_it_changes(channels, stride):
    blocks = (16, 16, 16, 8, 8)[: 6 - stride]
    config = replace(TOLD, channels=channels, decoder_stride=stride, decoder_channels=blocks)
    denoiser = told(config)
    image = torch.rand(2, channels, 256, 32)
    level = torch.full((2, 1, 256, 32), 0.1)
    result = denoiser(image, level)
    assert result.shape == image.shape
    level[:, :, :16] = 0.3
    change = (denoiser(image, level) - result).abs().amax(dim=(0, 1, 3))
    assert change[:16].min() > 1e-4
    assert change[-16:].max() < 1e-6


def test_an_unknown_level_is_a_value_of_its_own():
    denoiser = told()
    image = torch.rand(2, 1, 32, 48)
    unknown = torch.full((2, 1, 32, 48), float("nan"))
    blind = denoiser(image)
    assert torch.equal(denoiser(image, unknown), blind)
    as_learned = denoiser.unknown_level.expand_as(unknown)
    assert torch.equal(denoiser(image, as_learned), blind)
    assert (denoiser(image, torch.zeros_like(unknown)) - blind).abs().max() > 1e-3
    partly = unknown.clone()
    partly[1] = 0.1
    mixed = denoiser(image, partly)
    torch.testing.assert_close(mixed[0], blind[0])
    assert not torch.equal(mixed[1], blind[1])


def test_the_unknown_level_is_learned():
    denoiser = told().requires_grad_(True)
    denoiser(torch.rand(1, 1, 32, 32)).square().mean().backward()
    assert denoiser.unknown_level.grad != 0


def test_a_network_without_constants_is_proportional_to_image_and_level():
    denoiser = told()
    image, level = torch.rand(1, 1, 64, 64), 0.2 * torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(
        denoiser(100 * image, 100 * level), 100 * denoiser(image, level), rtol=1e-4, atol=1e-3
    )


def test_constants_that_are_ruled_out_are_not_trained():
    denoiser = told()
    denoiser.encoder.set_trainable(True)
    trained = {name for name, p in denoiser.encoder.named_parameters() if p.requires_grad}
    norms = [name for name, m in denoiser.encoder.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert trained.isdisjoint(f"{name}.bias" for name in norms)
    assert trained.issuperset(f"{name}.weight" for name in norms)
    usual = Denoiser(TINY)
    usual.encoder.set_trainable(True)
    assert all(p.requires_grad for p in usual.encoder.parameters())


def test_the_folded_network_takes_the_level_too():
    denoiser = told()
    image, level = torch.rand(2, 1, 64, 48), 0.2 * torch.rand(2, 1, 64, 48)
    folded = fold(denoiser)
    torch.testing.assert_close(folded(image, level), denoiser(image, level), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(folded(image), denoiser(image), rtol=1e-4, atol=1e-4)


def test_the_self_ensemble_turns_the_level_with_the_image():
    batch, level = torch.rand(2, 1, 32, 48), torch.rand(2, 1, 32, 48)
    result = self_ensemble(lambda image, level: image + level, batch, level)
    torch.testing.assert_close(result, batch + level)
    denoiser = told()
    mean = self_ensemble(denoiser, batch, level)
    turned = self_ensemble(denoiser, batch.rot90(1, (-2, -1)), level.rot90(1, (-2, -1)))
    torch.testing.assert_close(turned.rot90(-1, (-2, -1)), mean, rtol=1e-4, atol=1e-5)


def test_augmentation_spares_the_level():
    denoiser = told()
    features = denoiser.features(torch.rand(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.1))
    assert torch.equal(denoiser.augment(features, 0.1)[0], features[0])
    assert (features[0][:, -1] == 0.1).all()


def test_a_blind_network_refuses_a_level():
    with pytest.raises(ValueError, match="takes no noise level"):
        Denoiser(TINY)(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32))


def test_cards_from_before_describe_the_same_network():
    """A card that knows nothing of the later switches gives the weights of then a home."""
    network = asdict(TINY)
    for later in ("noise_level", "decoder_depth"):
        del network[later]
    del network["encoder"]["shifts"]
    card = ModelCard.model_validate(
        {"name": "old", "network": network, "encoder": {"source": "somewhere"}}
    )
    assert card.network == TINY
    names = set(Denoiser(card.network).state_dict())
    assert "unknown_level" not in names
    assert "decoder.up_path.0.conv_block.block.2.weight" in names
    assert "decoder.up_path.0.conv_block.block.4.weight" not in names


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("stride", "blocks"), [(1, (16, 16, 8, 8, 8)), (2, (16, 16, 8, 8))])
def test_an_encoder_that_takes_the_level_itself_needs_no_convolution_before_it(
    channels, stride, blocks
):
    shape = EncoderConfig((1, 1, 1), 8, in_channels=channels + 1)
    config = DenoiserConfig(shape, channels, blocks, False, True, stride, 2, True)
    torch.manual_seed(0)
    denoiser = Denoiser(config).eval()
    assert not list(denoiser.first.parameters())
    image = torch.rand(1, channels, 32, 32)
    levels = [torch.full((1, 1, 32, 32), value) for value in (0.05, 0.2)]
    low, high = (denoiser(image, level) for level in levels)
    assert low.shape == image.shape
    assert not torch.allclose(low, high)
    torch.testing.assert_close(fold(denoiser)(image, levels[0]), low, rtol=1e-3, atol=1e-5)
