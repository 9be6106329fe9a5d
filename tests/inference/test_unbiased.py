"""After the Anscombe transform, what was denoised gets its unbiased inverse, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from napari_clip_denoise.images.intensity import ChannelMapping, IntensityMapping
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import predict_region
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.simulation import fluorescence

GAIN = 8


@pytest.fixture(scope="module")
def noisy():
    return acquire(fluorescence((300, 300), seed=3), gain=GAIN, photons=20, offset=100).noisy


def test_no_pixel_that_a_clamp_holds_keeps_its_noise(tiny, noisy):
    clamped = replace(tiny, card=tiny.card.model_copy(update={"clamp": True}))
    job = prepare(as_stack(noisy), clamped, make_settings(device="cpu", output_dtype="float32"))
    assert job.mapping.channels[0].anscombe is not None
    prediction = predict_region(job, whole(noisy.shape))
    assert (prediction.change == 0).sum() > 0.001 * noisy.size
    assert not (prediction.result() == noisy).any()
    np.testing.assert_array_equal(prediction.result(0.0), noisy)


def test_a_plane_without_noise_fades_into_what_was_denoised(tiny, noisy):
    plane = np.concatenate([np.full((300, 600), 180, noisy.dtype), noisy], axis=1)
    settings = make_settings(device="cpu", output_dtype="float32", tile=256)
    job = prepare(as_stack(plane), tiny, settings)
    channel = ChannelMapping(90, 210, AnscombeTransform(GAIN, -100 * GAIN))
    job = replace(job, mapping=IntensityMapping((channel,)))
    assert len(job.columns) > 1
    prediction = predict_region(job, whole(plane.shape))
    assert (prediction.result()[:, :100] == 180).all()
    lift = replace(prediction, change=np.zeros_like(prediction.change)).result() - plane
    flat = lift[:, :600]
    assert (flat[:, :100] == 0).all()
    assert flat[:, -1] == pytest.approx(0.26 * GAIN, rel=0.1)
    assert np.abs(np.diff(flat, axis=1)).max() < 0.05 * GAIN
