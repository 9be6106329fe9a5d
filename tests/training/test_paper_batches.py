"""The first batches of the paper's recipes have the statistics of the authors' batches."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import reference_camera
from napari_clip_denoise.noise import colour_camera
from napari_clip_denoise.training.pretrain.fit import training_patches
from napari_clip_denoise.training.pretrain.recipe import load_recipe


def psnr(noisy, clean):
    return -10 * np.log10(np.square(noisy - clean).mean(axis=(1, 2, 3)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of pictures with dark and bright parts, and one of CT slices."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in ("rgb", "ct"):
        (folder / kind).mkdir()
    for number in range(6):
        soft = gaussian_filter(rng.standard_normal((3, 150, 140)), (0, 9, 9))
        unit = (0.45 + 0.3 * soft / soft.std()).clip(0, 1)
        pixels = np.rint(255 * np.moveaxis(unit, 0, -1)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "rgb" / f"{number}.png")
        np.save(folder / "ct" / f"{number}.npy", (2000 * unit[0] - 1000).astype(np.int16))
    return folder


def first_batches(name: str, data: Path, count: int = 2):
    recipe = load_recipe(name)
    patches = training_patches(recipe, data)
    batches = [patches.batch(step) for step in range(count)]
    noisy, clean = (np.concatenate([batch[i] for batch in batches]) for i in (0, 2))
    assert clean.shape == (16 * count, recipe.network.channels, 128, 128)
    return noisy, clean


@pytest.mark.parametrize(
    ("name", "kind", "sigma"), [("paper-gaussian15", "rgb", 15), ("paper-ldct-gaussian5", "ct", 5)]
)
def test_gaussian_noise_has_its_level_and_is_not_clipped(pictures, name, kind, sigma):
    noisy, clean = first_batches(name, pictures / kind)
    noise = noisy - clean
    assert psnr(noisy, clean).mean() == pytest.approx(20 * np.log10(255 / sigma), abs=0.02)
    assert abs(noise.mean()) < 0.01 * sigma / 255
    assert abs(np.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1]) < 0.01
    assert noisy.min() < 0 <= clean.min()


def test_srgb_noise_is_as_strong_as_the_references(pictures, monkeypatch):
    monkeypatch.setattr(colour_camera, "GAMMA", (2.2, 2.2))
    monkeypatch.setattr(colour_camera, "CONTRAST", (0, 0))
    noisy, clean = first_batches("paper-srgb-poisson-gaussian", pictures / "rgb", 3)
    rng = np.random.default_rng(0)
    planes = np.moveaxis(clean, 1, -1).astype(float)
    expected = np.stack([reference_camera.noisy(plane, rng) for plane in planes])
    expected = np.moveaxis(expected, -1, 1)
    found, reference = psnr(noisy, clean), psnr(expected, clean)
    assert found.mean() == pytest.approx(reference.mean(), abs=0.2)
    assert found.std() == pytest.approx(reference.std(), abs=0.4)
    levels = 255 * noisy
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
    assert (noisy - clean).mean() == pytest.approx((expected - clean).mean(), abs=0.01)
