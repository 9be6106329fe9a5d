"""Values of planes between their pixels."""

import numpy as np
import pytest
import torch

from napari_clip_denoise.network.translation import RADIUS, translate


def test_a_smooth_plane_is_seen_between_its_pixels():
    y, x = np.mgrid[:64, :64].astype(np.float32)

    def scene(y, x):
        return torch.from_numpy(np.sin(0.4 * y) * np.cos(0.5 * x + 0.2 * y))[None].float()

    found = translate(scene(y, x), 0.3, -0.45)
    inner = slice(RADIUS, -RADIUS)
    torch.testing.assert_close(found, scene(y + 0.3, x - 0.45)[:, inner, inner], atol=0.01, rtol=0)


def test_whole_pixels_are_moved_without_a_change():
    plane = torch.rand(2, 32, 32)
    torch.testing.assert_close(
        translate(plane, 1.0, -1.0),
        plane[:, RADIUS + 1 : RADIUS + 25, RADIUS - 1 : RADIUS + 23],
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize(("step", "least"), [(0.1, 0.95), (0.5, 0.6)])
def test_noise_keeps_most_of_its_strength(step, least):
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 256, 256)))
    assert least < float(translate(noise, step, step).var()) <= 1.01
