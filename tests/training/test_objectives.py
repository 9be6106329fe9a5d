import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.images.intensity import ChannelMapping
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.noise.correlation import REACH, NoiseCorrelation
from napari_clip_denoise.noise.models import CorrelatedGaussian
from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.finetune.noise_swap import swap_noise
from napari_clip_denoise.training.finetune.objective import masked_loss
from napari_clip_denoise.training.finetune.objectives.neighbor2neighbor import Neighbor2Neighbor
from napari_clip_denoise.training.finetune.objectives.noise2noise import Noise2Noise
from napari_clip_denoise.training.finetune.objectives.noise2void import Noise2Void
from napari_clip_denoise.training.finetune.objectives.supervised import Supervised
from napari_clip_denoise.training.finetune.objectives.synthetic import Synthetic
from napari_clip_denoise.training.finetune.validation import Validator, blind_validator


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def patches(rng, n=3, size=64):
    return rng.random((n, 1, size, size), np.float32)


def blur(images):
    """A denoiser that needs no learning."""
    return torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)


def test_supervised_gives_the_sides_as_they_are(rng):
    noisy, clean = patches(rng), patches(rng)
    example = Supervised().example(Patches(noisy, clean), rng)
    np.testing.assert_array_equal(example.noisy, noisy)
    np.testing.assert_array_equal(example.target, clean)
    assert example.mask.min() == 1
    assert Supervised().loss(lambda x: example.target, example) == pytest.approx(0, abs=2e-3)


def test_noise2noise_swaps_the_sides_at_random(rng):
    first, second = np.zeros((40, 1, 8, 8), np.float32), np.ones((40, 1, 8, 8), np.float32)
    example = Noise2Noise().example(Patches(first, second), rng)
    np.testing.assert_array_equal(example.noisy + example.target, 1)
    assert 5 < example.noisy[:, 0, 0, 0].sum() < 35


@given(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(0, 9))
def test_noise2void_hides_what_the_noise_reaches(extent, seed):
    rng = np.random.default_rng(seed)
    noisy = patches(rng, 1)
    example = Noise2Void(extent, fraction=0.002).example(Patches(noisy, noisy), rng)
    np.testing.assert_array_equal(example.target, noisy)
    centres = np.argwhere(example.mask[0, 0].numpy())
    assert 0 < len(centres) <= 8
    changed = (example.noisy != example.target)[0, 0].numpy()
    allowed = np.zeros_like(changed)
    for y, x in centres:
        part = np.s_[y - extent[0] : y + extent[0] + 1, x - extent[1] : x + extent[1] + 1]
        assert changed[part].all()
        allowed[part] = True
    assert not (changed & ~allowed).any()


def test_noise_with_a_direction_is_not_turned():
    assert Noise2Void((0, 0)).allow_rot90
    assert Noise2Void((1, 1)).allow_rot90
    assert not Noise2Void((0, 2)).allow_rot90


def test_neighbours_touch_and_come_from_the_same_cell(rng):
    where = np.arange(64 * 64, dtype=np.float32).reshape(1, 1, 64, 64)
    example = Neighbor2Neighbor().example(Patches(where, where), rng)
    a, b = (side.numpy()[0, 0].astype(int) for side in (example.noisy, example.target))
    assert a.shape == (32, 32)
    rows, columns = np.indices((32, 32))
    for side in (a, b):
        np.testing.assert_array_equal(side // 64 // 2, rows)
        np.testing.assert_array_equal(side % 64 // 2, columns)
    assert set(np.unique(np.abs(a - b))) == {1, 64}


def test_the_regulariser_of_neighbours_vanishes_for_a_perfect_denoiser(rng):
    clean = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (2, 1, 64, 64)).copy()
    noisy = clean + 0.1 * rng.standard_normal(clean.shape, np.float32)
    objective = Neighbor2Neighbor(weight=0)
    example = objective.example(Patches(noisy, noisy), rng)
    plain = objective.loss(blur, example)
    regularised = Neighbor2Neighbor(weight=1).loss(blur, example)
    assert regularised > 1.5 * plain


@given(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(0, 9))
def test_noise_is_swapped_between_pixels_of_like_value(extent, seed):
    rng = np.random.default_rng(seed)
    clean = np.linspace(0, 5, 48, dtype=np.float32) * np.ones((48, 1), np.float32)
    noisy = clean + 0.1 * rng.standard_normal(clean.shape, np.float32)
    swapped, chosen = swap_noise(noisy, clean, extent, rng)
    changed = swapped != noisy
    assert changed[chosen].all()
    assert changed.sum() == chosen.sum() * np.prod([2 * reach + 1 for reach in extent])
    before, after = ((side - clean)[chosen] for side in (noisy, swapped))
    np.testing.assert_allclose(np.sort(before), np.sort(after), atol=1e-6)


def test_synthetic_noise_is_centred_on_its_target(rng):
    noise = CameraNoise(4.0, 100, 5.0)
    mapping = ChannelMapping(100, 500, AnscombeTransform(4.0, 25 - 400.0))
    clean = np.full((4, 1, 200, 200), 180, np.float32)
    example = Synthetic(noise, mapping).example(Patches(clean, clean), rng)
    assert example.noisy.mean() == pytest.approx(example.target.mean().item(), abs=2e-3)
    assert example.target.std() == pytest.approx(0, abs=1e-6)
    assert example.noisy.std() > 0.05


def test_the_loss_counts_only_what_the_mask_holds():
    error, mask = torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    error[:, :, :2] = 3
    mask[:, :, :2] = 1
    assert masked_loss(error, mask) == pytest.approx(3, rel=1e-4)


def correlations(noise):
    """Correlation of pure noise at all distances that a table holds."""
    power = np.square(np.abs(np.fft.fft2(noise))).mean(axis=(0, 1))
    table = np.roll(np.fft.ifft2(power).real, (REACH, REACH), (0, 1))[: 2 * REACH + 1]
    return table[:, : 2 * REACH + 1] / table[REACH, REACH]


def smoothed(images, width=2.0):
    return torch.from_numpy(gaussian_filter(images.numpy(), (0, 0, width, width)))


@pytest.mark.parametrize("kind", ["white", "skewed", "correlated"])
def test_the_blind_validator_estimates_the_error_against_a_second_image(rng, kind):
    clean = gaussian_filter(rng.random((24, 1, 96, 96), np.float32), (0, 0, 4, 4)) * 5

    def take(seed):
        rng = np.random.default_rng(seed)
        if kind == "correlated":
            return CorrelatedGaussian(0.1, 0.5)(clean, rng).astype(np.float32)
        noise = rng.standard_normal(clean.shape)
        if kind == "skewed":
            noise = rng.exponential(1, clean.shape) - 1
        return (clean + 0.1 * noise).astype(np.float32)

    noisy, second = take(1), take(2)
    extent = NoiseCorrelation(correlations(noisy - clean)).extent
    judge = blind_validator(Patches(noisy, noisy), extent, smoothed, rng)
    seen = Validator(*(torch.from_numpy(side) for side in (noisy, second)), "repeats")
    for network in (lambda x: x, blur, smoothed, lambda x: smoothed(x.clamp(max=2.7), 1.5)):
        estimate, real = judge(network, 5).mean(), seen(network, 24).mean()
        assert estimate == pytest.approx(real.item(), rel=0.2)
    np.testing.assert_allclose(judge.untouched(), judge(lambda x: x, 24), rtol=1e-5)
