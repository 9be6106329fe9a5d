"""The bundled grey model on kinds of images that misled a blind one."""

import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.models.registry import load

Y, X = np.mgrid[:256, :256]
TEXTURES = {
    "checkers of 2 pixels": (X // 2 + Y // 2) % 2,
    "checkers of 1 pixel": (X + Y) % 2,
    "lines of 1 pixel along columns": X % 2,
    "lines of 1 pixel along rows": Y % 2,
    "lines of 3 pixels": Y // 3 % 2,
    "squares of 8 pixels": (X // 8 + Y // 8) % 2,
}


def rms(errors):
    return np.sqrt(np.square(errors, dtype=np.float64).mean())


@pytest.mark.parametrize("name", TEXTURES)
def test_texture_14_times_the_noise_keeps_nine_tenths_of_its_contrast(name):
    clean = 100.0 + 200 * TEXTURES[name]
    noisy = np.random.default_rng(0).poisson(clean).astype("u2")
    result = denoise(noisy, device="cpu").astype(float)
    pattern = clean - clean.mean()
    contrast = ((result - result.mean()) * pattern).sum() / np.square(pattern).sum()
    assert contrast == pytest.approx(1, abs=0.1)
    assert result.mean() == pytest.approx(clean.mean(), rel=0.015)
    assert rms(result - clean) < 1.2 * rms(noisy - clean)


def test_a_spot_in_a_single_plane_keeps_its_peak_and_gains():
    y, x = Y[:64, :64], X[:64, :64]
    clean = np.full((200, 64, 64), 2.0)
    clean[60] += 3000 * np.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 8)
    noisy = (np.random.default_rng(1).poisson(clean) + 100).astype("u2")
    result = denoise(noisy, device="cpu")[60].astype(float)
    assert rms(result - clean[60] - 100) < rms(noisy[60] - clean[60] - 100)
    assert result[30, 30] == pytest.approx(clean[60, 30, 30] + 100, rel=0.03)


def test_a_disc_far_brighter_than_the_rest_has_no_ring():
    radius = np.hypot(X - 128, Y - 128)
    clean = np.where(radius <= 24, 5000.0, 100.0)
    noisy = np.random.default_rng(2).poisson(clean).astype("u2")
    result = denoise(noisy, device="cpu").astype(float)
    assert rms(result - clean) < rms(noisy - clean)
    ring = (radius > 26) & (radius < 40)
    assert result[ring].mean() == pytest.approx(100, abs=1)
    assert result[ring].min() > 50


def test_all_stages_of_the_encoder_are_alive():
    import torch

    from napari_clip_denoise.training.pretrain.rectifiers import alive

    rng = np.random.default_rng(0)
    scene = np.stack(
        [np.sin(X / rng.uniform(2, 30)) * np.cos(Y / rng.uniform(2, 30)) for _ in "1234"]
    )
    noisy = torch.from_numpy(0.5 + 0.4 * scene + rng.normal(0, 0.1, scene.shape)).float()
    fractions = alive(load("compact").denoiser, noisy[:, None], torch.full((4, 1, 256, 256), 0.1))
    assert min(fractions) >= 0.9


def test_it_listens_to_the_level_and_leaves_clean_images_alone():
    clean = (1000 + 800 * np.sin(X / 9) * np.sin(Y / 7)).astype(np.float32)
    noisy = clean + np.random.default_rng(3).normal(0, 60, clean.shape).astype(np.float32)
    errors = [rms(denoise(noisy, device="cpu", noise_level=level) - clean) for level in (6.0, 60.0)]
    assert errors[1] < 0.4 * errors[0]
    assert rms(denoise(clean, device="cpu") - clean) < 0.005 * np.ptp(clean)
