"""The noise level of RGB images, which cameras interpolate and compress."""

import numpy as np
import pytest

from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.colour_camera import RawCamera
from napari_clip_denoise.noise.simulation import fluorescence

CLEAN = np.stack([fluorescence((160, 160), seed=seed) for seed in range(3)]).clip(0, 1)


def measured(image):
    stack = as_stack(np.moveaxis(255 * image, 0, -1).astype(np.float32), "yxs")
    (mapping,) = estimate_mapping(stack, "percentile", "auto").channels
    return mapping.noise


def test_white_noise_is_told():
    noise = np.random.default_rng(0).normal(0, 0.1, CLEAN.shape)
    assert measured(CLEAN + noise).variance(100) ** 0.5 == pytest.approx(25.5, rel=0.1)


def test_noise_that_a_camera_has_interpolated_is_left_open():
    bright = (0.3 + 0.7 * CLEAN).astype(np.float32)
    noisy = RawCamera(0.02, 0.02)(bright, np.random.default_rng(0))
    assert measured(noisy) is None


def test_a_camera_takes_the_same_image_with_and_without_noise():
    quiet = RawCamera(0.0, 0.0)(CLEAN, np.random.default_rng(3))
    noisy, clean = RawCamera(0.02, 0.02).take(CLEAN, np.random.default_rng(3))
    np.testing.assert_array_equal(clean, quiet)
    assert 0.01 < np.std(noisy - clean) < 0.1
