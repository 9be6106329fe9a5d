import pytest
import torch

from benchmarks.encoder_trial import SHAPE, SIDES, Readout, SelfTaught, vicreg
from napari_clip_denoise.training.pretrain.encoders import random_encoder


@pytest.fixture
def white():
    torch.manual_seed(0)
    return torch.randn(4000, 8)


def test_features_that_agree_vary_and_differ_cost_nothing(white):
    assert vicreg(white, white) == pytest.approx(0, abs=0.02)
    assert vicreg(0.1 * white, 0.1 * white) == pytest.approx(0.9, abs=0.03)


def test_each_term_costs_what_it_is_for(white):
    assert vicreg(white, torch.randn(4000, 8)) == pytest.approx(2, abs=0.1)
    alike = white[:, :1].expand(-1, 8)
    assert vicreg(alike, alike) == pytest.approx(0.04 * 7, abs=0.03)
    dead = torch.cat([white[:, :4], torch.zeros(4000, 4)], dim=1)
    assert vicreg(dead, dead) > 0.4


def test_the_read_out_learns_the_pixels_of_places_from_features_that_hold_them():
    torch.manual_seed(0)
    clean = torch.rand(2, 1, 32, 32)
    features = [torch.nn.functional.pixel_unshuffle(clean, side) for side in SIDES]
    readout = Readout(tuple(side**2 for side in SIDES))
    optimiser = torch.optim.Adam(readout.parameters(), 0.02)
    first = readout.error(features, clean).item()
    for _ in range(150):
        optimiser.zero_grad()
        error = readout.error(features, clean)
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
