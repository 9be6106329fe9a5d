import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.evaluation.side_by_side import compare_view
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.preview import View
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

REGION = (slice(1, 2), slice(10, 90), slice(20, 110))


@pytest.fixture(scope="module")
def taken():
    """A noisy stack (2, 100, 120) with its truth."""
    return acquire(fluorescence((2, 100, 120), seed=4), seed=4)


@pytest.fixture
def view(taken):
    """A part of the second plane."""
    return View(as_stack(taken.noisy), REGION, make_settings(device="cpu"))


def test_each_method_gets_the_same_view(taken, view, tiny, tiny_file):
    truth = taken.truth[REGION]
    made = list(compare_view(view, [str(tiny_file)], ["gaussian", "nlm"], truth))
    assert [each.name for each in made] == [
        *("Noisy", str(tiny_file), "Gaussian filter", "Non-local means")
    ]
    assert all(each.pixels.shape == (1, 80, 90) for each in made)
    run = denoise(taken.noisy, tiny, device="cpu", output_dtype="float32")[REGION]
    np.testing.assert_allclose(made[1].pixels, run, atol=0.02)
    for each in made:
        assert each.scores[0] == pytest.approx(psnr(truth, each.pixels))
    assert made[2].scores[0] > made[0].scores[0] + 3
    assert made[2].title == f"Gaussian filter · {made[2].scores[0]:.1f} dB"
    assert "SSIM" in made[2].details


def test_without_a_reference_there_are_no_scores(view):
    noisy, smooth = compare_view(view, [], ["gaussian"])
    assert smooth.scores is None
    assert smooth.title == "Gaussian filter"
    assert smooth.details.startswith("Gaussian filter · ")
    assert smooth.pixels.std() < noisy.pixels.std()


def test_cancelling(view):
    cancel = CancelToken()
    made = compare_view(view, [], ["gaussian", "nlm"], cancel=cancel)
    next(made)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(made)


def test_rgb():
    image = np.random.default_rng(0).integers(0, 250, (40, 50, 3)).astype(np.uint8)
    region = (slice(0, 40), slice(0, 50), slice(0, 3))
    view = View(as_stack(image, "yxs"), region, make_settings(device="cpu"))
    noisy, smooth = compare_view(view, [], ["gaussian"], image)
    assert smooth.pixels.shape == image.shape
    assert noisy.scores[1] == pytest.approx(1)
