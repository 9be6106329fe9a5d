"""Tiles of the bundled models equal the whole plane, with the halo on their cards."""

import numpy as np
import pytest
import torch

from napari_clip_denoise import load
from napari_clip_denoise.network.inference import fold
from napari_clip_denoise.noise.simulation import fluorescence

CORE = 64
SIGMA = 0.2


@pytest.mark.parametrize("name", ["compact", "compact-rgb"])
def test_a_tile_sees_all_that_changes_it(name):
    model = load(name)
    network, halo, channels = fold(model.denoiser), model.card.halo, model.card.network.channels
    start = halo + 48
    side = start + CORE + halo + 48
    clean = fluorescence((side, side), ("nuclei", "filaments", "striations"), seed=3)
    noise = np.random.default_rng(0).normal(0, SIGMA, (1, channels, side, side))
    noisy = torch.from_numpy((clean + noise).astype(np.float32))
    inputs = [noisy, torch.full_like(noisy[:, :1], SIGMA)][: 1 + model.card.network.noise_level]
    around = (..., *(slice(start - halo, start + CORE + halo),) * 2)
    with torch.inference_mode():
        whole = network(*inputs)
        tile = network(*(values[around].contiguous() for values in inputs))
    inner = slice(halo, halo + CORE)
    expected = whole[..., start : start + CORE, start : start + CORE]
    assert (tile[..., inner, inner] - expected).abs().max() < 2e-6
