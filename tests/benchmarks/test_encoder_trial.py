import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import pixel_unshuffle

from benchmarks.encoder_trial import ENCODER_RATE, SHAPE, recipe_of, self_taught, with_decoder
from benchmarks.self_taught import INVARIANCE, SIDES, Readout, SelfTaught, at_places, vicreg
from napari_clip_denoise.training.data.settings import Noise
from napari_clip_denoise.training.pretrain.encoders import random_encoder


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for group in ("natural", "microscopy"):
        (tmp_path / group).mkdir()
        pixels = rng.integers(0, 255, (64, 64), np.uint8)
        Image.fromarray(pixels).save(tmp_path / group / "0.png")
    return tmp_path


@pytest.fixture
def white():
    torch.manual_seed(0)
    return torch.randn(4000, 8)


def test_features_that_agree_vary_and_differ_cost_nothing(white):
    assert vicreg(white, white) == pytest.approx(0, abs=0.02)
    assert vicreg(0.1 * white, 0.1 * white) == pytest.approx(0.9, abs=0.03)


def test_each_term_costs_what_it_is_for(white):
    assert vicreg(white, torch.randn(4000, 8)) == pytest.approx(2 * INVARIANCE, rel=0.05)
    alike = white[:, :1].expand(-1, 8)
    assert vicreg(alike, alike) == pytest.approx(0.04 * 7, abs=0.03)
    dead = torch.cat([white[:, :4], torch.zeros(4000, 4)], dim=1)
    assert vicreg(dead, dead) > 0.4


def test_vectors_of_coarser_maps_are_those_that_contain_the_place():
    fine = torch.arange(64.0).reshape(1, 1, 8, 8)
    coarse = torch.arange(16.0).reshape(1, 1, 4, 4)
    first, second = at_places([fine, coarse], torch.tensor([0, 9, 15, 63]))
    assert first.flatten().tolist() == [0, 9, 15, 63]
    assert second.flatten().tolist() == [0, 0, 3, 15]


def test_the_read_out_learns_the_pixels_of_places_from_features_that_hold_them():
    torch.manual_seed(0)
    clean = torch.rand(2, 1, 32, 32)
    pixels = at_places([pixel_unshuffle(clean, side) for side in SIDES], torch.arange(256))
    readout = Readout(tuple(side**2 for side in SIDES))
    optimiser = torch.optim.Adam(readout.parameters(), 0.02)
    first = readout.error(pixels, pixels).item()
    for _ in range(150):
        optimiser.zero_grad()
        error = readout.error(pixels, pixels)
        error.backward()
        optimiser.step()
    assert error.item() < 0.2 * first


def test_the_whole_encoder_learns_from_two_views():
    encoder = random_encoder(SHAPE, 0)
    encoder.set_trainable(True)
    network = SelfTaught(encoder)
    clean = torch.rand(2, 1, 32, 32)
    network(clean + 0.1 * torch.rand_like(clean), clean, clean).backward()
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)


def test_training_keeps_all_channels_alive_and_freezes_the_statistics(folder):
    noise = Noise(gaussian=1.0, sigma=(0.1, 0.2))
    recipe = recipe_of("self-taught", noise, 8, batch=2, crop=32, rate=ENCODER_RATE)
    encoder = self_taught(recipe, folder)
    clean = torch.rand(2, 1, 64, 64)
    features = encoder(clean)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert all((f.std(dim=(0, 2, 3)) > 1e-4).float().mean() > 0.9 for f in features)
    assert all(torch.equal(*pair) for pair in zip(encoder.train()(clean), features, strict=True))


def test_a_decoder_learns_on_a_frozen_encoder_and_a_network_as_a_whole(folder):
    recipe = recipe_of("short", Noise(gaussian=1.0), 2, batch=2, crop=32)
    given = random_encoder(SHAPE, 0)
    frozen = with_decoder(recipe, folder, given, disturb=1.0)
    joint = with_decoder(recipe, folder, None)
    same = [torch.equal(a, b) for a, b in pairs_of(given, frozen.encoder)]
    assert all(same)
    start = random_encoder(SHAPE, recipe.seed)
    assert not all(torch.equal(a, b) for a, b in pairs_of(start, joint.encoder))


def pairs_of(one, other):
    return zip(one.parameters(), other.parameters(), strict=True)
