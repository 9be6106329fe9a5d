"""Test noise and CT metrics as the paper's authors compute them."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import convolve
from torch.nn import functional

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.scores.datasets import conditions
from napari_clip_denoise.evaluation.scores.evaluate import evaluate

NAMES = ["gaussian-25", "spatial-40", "poisson-2.5"]


def as_the_scripts(name, pixels):
    """What the authors' test scripts feed to the network, on the global generator."""
    clean = np.float32(pixels) / 255.0
    np.random.seed(0)  # noqa: NPY002
    if name == "poisson-2.5":
        values = 2 ** np.ceil(np.log2(len(np.unique(clean))))
        drawn = np.float32(np.random.poisson(clean * values) / float(values))  # noqa: NPY002
        return np.clip(clean + (drawn - clean) * 2.5, 0, 1)
    sigma = {"gaussian-25": 25, "spatial-40": 40}[name]
    noise = np.random.normal(0, sigma / 255.0, clean.shape)  # noqa: NPY002
    if name == "spatial-40":
        for channel in range(3):
            noise[..., channel] = convolve(noise[..., channel], np.ones((3, 3)) / 9.0)
    return (clean + noise).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "b.png")
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_reference_noise_is_that_of_the_scripts_bit_for_bit(folder, name):
    (row,) = conditions("paper", [folder], noises=[name], noise_generator="reference")
    first, second = row.images()
    expected = as_the_scripts(name, np.asarray(Image.open(folder / "a.png")))
    np.testing.assert_array_equal(first.noisy, expected)
    np.testing.assert_array_equal(second.noisy, expected)
    (own,) = conditions("paper", [folder], noises=[name])
    assert not np.array_equal(next(own.images()).noisy, expected)


def test_grey_images_have_their_draws_in_the_order_of_the_file(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for name in NAMES:
        (row,) = conditions("paper", [tmp_path], noises=[name], noise_generator="reference")
        (image,) = row.images()
        assert image.noisy.shape == (20, 30)
        assert 0.02 < (image.noisy - image.truth).std() < 0.3


def test_noises_that_the_scripts_lack_are_left_out_or_refused(folder):
    rows = conditions("paper", [folder], noise_generator="reference")
    assert {row.noise.rpartition("-")[0] for row in rows} == {"gaussian", "spatial", "poisson"}
    with pytest.raises(InputError, match=r"draw no .salt-pepper-0\.02"):
        conditions("paper", [folder], noises=["salt-pepper"], noise_generator="reference")
    with pytest.raises(InputError, match="noise generator 'mt' cannot be used; give pcg64"):
        conditions("paper", [folder], noise_generator="mt")
    with pytest.raises(InputError, match="only be chosen for the suite 'ct'"):
        conditions("paper", [folder], ct_metrics="reference")


def as_the_authors_score(first, second):
    """PSNR and SSIM of two CT images in [0, 1], as their script computes them."""
    first, second = (
        torch.from_numpy(unit * (3096 + 1024.0) - 1024)[None, None].clamp(-1024, 3072)
        for unit in (first, second)
    )
    steps = torch.arange(11.0, dtype=torch.float64) - 5
    taps = torch.exp(-(steps**2) / 4.5)
    taps /= taps.sum()
    window = torch.outer(taps, taps)[None, None]

    def smooth(x):
        return functional.conv2d(x, window, padding=5)

    mean, other = smooth(first), smooth(second)
    spread, others = smooth(first**2) - mean**2, smooth(second**2) - other**2
    both = smooth(first * second) - mean * other
    c1, c2 = (0.01 * 4096) ** 2, (0.03 * 4096) ** 2
    ssim = (2 * mean * other + c1) * (2 * both + c2)
    ssim /= (mean**2 + other**2 + c1) * (spread + others + c2)
    error = ((first - second) ** 2).mean()
    return 10 * torch.log10(4096**2 / error).item(), ssim.mean().item()


def test_ct_is_scored_as_by_the_authors(tmp_path):
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 400, (48, 40)).cumsum(axis=1).clip(-1024, 3072).round()
    noisy = (clean + rng.normal(0, 60, clean.shape)).round()
    for side, image in (("clean", clean), ("noisy", noisy)):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", image.astype(np.int16))
    scores = {}
    for metrics in ("window", "reference"):
        (row,) = conditions("ct", [tmp_path], ct_metrics=metrics)
        (image,) = row.images()
        scores[metrics] = row.protocol.score(image.truth, image.noisy)
    psnr, ssim = as_the_authors_score((clean + 1024) / 4096, (noisy + 1024) / 4096)
    assert scores["reference"]["psnr"] == pytest.approx(psnr, abs=1e-4)
    assert scores["reference"]["ssim"] == pytest.approx(ssim, abs=1e-6)
    assert scores["reference"]["rmse"] == scores["window"]["rmse"]
    assert scores["reference"]["ssim"] != pytest.approx(scores["window"]["ssim"], abs=1e-4)


def test_evaluate_takes_the_generator(folder, tiny, monkeypatch):
    monkeypatch.setattr("napari_clip_denoise.evaluation.scores.evaluate.SIDE", 32)
    options = {"noises": ["gaussian-25"], "limit": 1, "clean": False, "device": "cpu"}
    scores = [
        evaluate([tiny], [folder], noise_generator=which, **options).measurements[0].scores["psnr"]
        for which in ("pcg64", "reference")
    ]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=0.3)
