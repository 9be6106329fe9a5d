import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.evaluation.trust.uncertainty import DisturbedRunner, uncertainty
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def image():
    """A noisy plane (96, 112)."""
    return acquire(fluorescence((96, 112), seed=2), seed=2).noisy


def job_of(array, model, axes=None, **settings):
    return prepare(as_stack(array, axes), model, make_settings(device="cpu", **settings))


def test_without_disturbance_the_decoder_gives_the_result(image, tiny):
    job = job_of(image, tiny)
    batch = np.random.default_rng(0).random((2, 1, 48, 64), np.float32)
    runner = DisturbedRunner(job.runner, level=0)
    runner.begin_pass(0)
    np.testing.assert_allclose(runner.start(batch).result(), job.runner(batch), atol=1e-6)
    assert uncertainty(job, whole(image.shape), passes=3, level=0).max() == pytest.approx(
        0, abs=1e-3
    )


def test_it_is_repeatable_and_grows_with_the_disturbance(image, tiny):
    job = job_of(image, tiny)
    small, again, large = (
        uncertainty(job, whole(image.shape), passes=4, level=level) for level in (0.02, 0.02, 0.1)
    )
    np.testing.assert_array_equal(small, again)
    assert small.shape == image.shape
    ensemble = job_of(image, tiny, self_ensemble=True)
    np.testing.assert_array_equal(
        uncertainty(ensemble, whole(image.shape), passes=4, level=0.02), small
    )
    assert large.mean() > 3 * small.mean() > 0


def test_the_encoder_runs_once(image, tiny, monkeypatch):
    job = job_of(image, tiny)
    encoded = []
    encode = job.runner.encode
    monkeypatch.setattr(job.runner, "encode", lambda *a: encoded.append(1) or encode(*a))
    shares = []
    uncertainty(job, whole(image.shape), passes=5, advance=shares.append)
    assert len(encoded) == 1
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("axes", ["zyx", "yxs"])
def test_shapes(tiny, axes):
    shape = {"zyx": (2, 40, 50), "yxs": (40, 50, 3)}[axes]
    array = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    job = job_of(array, tiny, axes)
    assert uncertainty(job, whole(shape), passes=2).shape == shape


def test_cancelling(image, tiny):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        uncertainty(job_of(image, tiny), whole(image.shape), cancel=cancel)


def test_the_bundled_model_is_less_sure_where_it_errs():
    from scipy.stats import spearmanr

    from napari_clip_denoise import load

    taken = acquire(fluorescence((128, 128), seed=1), seed=1, photons=100)
    model = load("compact")
    error = np.abs(denoise(taken.noisy, model, output_dtype="float32", device="cpu") - taken.truth)
    spread = uncertainty(job_of(taken.noisy, model), whole(error.shape))
    assert spearmanr(spread.ravel(), error.ravel()).statistic > 0.4
