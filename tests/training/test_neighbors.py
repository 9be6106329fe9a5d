"""Learning from neighbouring planes."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from napari_clip_denoise import denoise, fine_tune
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.training.data.neighbours import neighbour_source
from napari_clip_denoise.training.data.patches import mapped_source

SHAPE = (8, 128, 128)
SIGMA = 0.15


@pytest.fixture(scope="module")
def clean():
    return fluorescence(SHAPE, ("nuclei", "points"), psf=(1.8, 1.2, 1.2), seed=3)


@pytest.fixture(scope="module")
def noisy(clean):
    """Noise of pixels in the same row is correlated; that of planes is independent."""
    rows = gaussian_filter1d(np.random.default_rng(0).standard_normal(SHAPE), 1.5, axis=2)
    return (clean + SIGMA * rows / rows.std()).astype(np.float32)


def blurred(noisy, level):
    """A network that keeps some of the noise."""
    kernel = np.outer(*[[0.25, 0.5, 0.25]] * 2)[None, None].astype(np.float32)
    padded = torch.nn.functional.pad(noisy, (1, 1, 1, 1), mode="reflect")
    return torch.nn.functional.conv2d(padded, torch.from_numpy(kernel))


def psnr(found, clean):
    return -10 * np.log10(np.square(found - clean).mean())


def test_it_removes_noise_of_rows_that_a_single_plane_cannot_tell_from_structure(clean, noisy):
    def gained(objective):
        values = {"steps": 20, "batch": 2, "held_out": 4, "patch": 64, "validate_every": 20}
        found = fine_tune(noisy, axes="zyx", objective=objective, device="cpu", **values)
        options = {"axes": "zyx", "device": "cpu", "check": False}
        before, after = (denoise(noisy, model, **options) for model in ("compact", found.model))
        return psnr(after, clean) - psnr(before, clean)

    from_neighbours = gained("neighbors")
    assert from_neighbours > 0.3
    assert from_neighbours > gained("noise2void") + 0.2


def source_of(noisy, axes="zyx"):
    return mapped_source(as_stack(noisy.astype(np.float32), axes), (0.0, 1.0), "auto")


def drawn(source, count=20):
    window = slice(0, SHAPE[1]), slice(0, SHAPE[2])
    rng = np.random.default_rng(0)
    return [source.read_told(2, window, 1, rng) for _ in range(count)]


def test_the_noise_of_input_and_target_is_independent(clean, noisy):
    source = neighbour_source(source_of(noisy), None, blurred, 10**6)
    assert source.n_planes == SHAPE[0] - 2
    for first, second, _ in drawn(source):
        left, target = first[0] - clean[3], second[0] - clean[3]
        counts = second[1] > 0.3
        assert abs(np.corrcoef(left[counts], target[counts])[0, 1]) < 0.2


def test_the_mean_with_a_neighbour_has_less_noise_and_is_told_so(clean, noisy):
    source = neighbour_source(source_of(noisy), None, blurred, 10**6)
    for first, _, level in drawn(source):
        ratio = np.std(first[0] - noisy[3]) > 0.01
        expected = level / source.levels[2]
        assert (expected.mean() < 0.9) == ratio


def test_planes_that_differ_are_no_targets():
    planes = np.stack([fluorescence((96, 96), ("nuclei",), seed=seed) for seed in range(20, 25)])
    noisy = planes + np.random.default_rng(0).normal(0, 0.05, planes.shape)
    source = neighbour_source(source_of(noisy), None, blurred, 10**6)
    differs = np.abs(planes[1:-1] - planes[:-2]) > 0.3
    assert source.weights[:, 0][differs].mean() < 0.05


def test_missing_values_reach_neither_input_nor_weights(noisy):
    damaged = noisy.copy()
    damaged[4, 20:40, 20:40] = np.nan
    source = neighbour_source(source_of(damaged), None, blurred, 10**6)
    assert (source.weights[2, 1, 20:40, 20:40] == 0).all()
    assert np.isnan(source.planes[2, 2, :, 20:40, 20:40]).all()


@pytest.mark.parametrize(
    ("axes", "values", "words"),
    [("cyx", {}, "at least three planes"), ("zyx", {"context_axis": "t"}, "along 't'")],
)
def test_what_is_missing_is_said(noisy, axes, values, words):
    with pytest.raises(InputError, match=words):
        fine_tune(noisy, axes=axes, objective="neighbors", steps=1, device="cpu", **values)


def test_unrelated_planes_are_refused():
    rng = np.random.default_rng(0)
    planes = gaussian_filter(rng.standard_normal((8, 128, 128)), (0, 3, 3))
    noisy = planes / planes.std() + 0.1 * rng.standard_normal(planes.shape)
    with pytest.raises(InputError, match="hardly anything in common"):
        fine_tune(noisy, axes="zyx", objective="neighbors", steps=1, device="cpu")
