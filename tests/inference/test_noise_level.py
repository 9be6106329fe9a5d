import dask.array as da
import numpy as np
import pytest
import torch

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import estimate_mapping, parse_noise_level
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.planes import noise_levels
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.provenance import fingerprint
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.simulation import fluorescence

PLAIN = {"device": "cpu", "intensity": (0.0, 1.0), "output_dtype": "float32"}


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return (fluorescence((64, 96), seed=1) + rng.normal(0, 0.1, (64, 96))).astype(np.float32)


def by_network(model, image, level=None):
    batch = torch.from_numpy(image)[None, None]
    given = () if level is None else (torch.full_like(batch, level),)
    return model.denoiser(batch, *given)[0, 0].numpy()


def test_the_network_is_told_the_level(told, image):
    blind = denoise(image, told, noise_level="blind", **PLAIN)
    np.testing.assert_allclose(blind, by_network(told, image), atol=1e-4)
    given = denoise(image, told, noise_level=0.2, **PLAIN)
    np.testing.assert_allclose(given, by_network(told, image, 0.2), atol=1e-4)
    assert np.abs(given - blind).max() > 0.01
    twice = denoise(image, told, noise_level=0.2, **PLAIN | {"intensity": (0.0, 2.0)})
    np.testing.assert_allclose(twice, given, atol=1e-4)


def test_by_default_it_is_measured(told, image):
    (channel,) = estimate_mapping(as_stack(image), (0.0, 1.0), "auto").channels
    assert channel.noise_level(np.array(0.5)) == pytest.approx(0.1, rel=0.1)
    measured = denoise(image, told, **PLAIN)
    near = denoise(image, told, noise_level=0.1, **PLAIN)
    blind = denoise(image, told, noise_level="blind", **PLAIN)
    assert np.abs(measured - near).max() < 0.3 * np.abs(blind - near).max()


@pytest.mark.parametrize("gain", [0.5, 4.0])
def test_stabilised_noise_has_the_level_of_its_transform(gain):
    rng = np.random.default_rng(1)
    ramp = np.tile(np.linspace(5, 200, 300), (300, 1))
    noisy = (gain * rng.poisson(ramp)).astype(np.float32)
    (channel,) = estimate_mapping(as_stack(noisy), "anscombe", "auto").channels
    assert channel.anscombe is not None
    error = channel.normalize(noisy) - channel.expected(gain * ramp.astype(np.float32))
    told = channel.noise_level(np.array([10 * gain, 150 * gain]))
    np.testing.assert_allclose(told, error.std(), rtol=0.08)


@pytest.mark.parametrize("photons", [0.1, 0.3, 1, 2, 5, 30])
def test_the_transform_of_few_photons_varies_less(photons):
    transform = AnscombeTransform(2.0, -200.0)
    counts = np.random.default_rng(0).poisson(photons, 500_000)
    deviation = transform.forward(100 + 2.0 * counts).std()
    assert transform.deviation(np.array(100 + 2 * photons)) == pytest.approx(deviation, rel=0.03)


def test_noise_that_neighbours_share_is_told_in_full():
    rng = np.random.default_rng(2)
    white = rng.normal(0, 1, (301, 301))
    shared = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    image = 1000 * fluorescence((300, 300), seed=4) + 40 * shared
    (channel,) = estimate_mapping(as_stack(image), (0.0, 1000.0), "auto").channels
    assert channel.noise_level(np.array(500.0)) == pytest.approx(0.04, rel=0.25)


def test_each_channel_has_a_level_of_its_own(told):
    rng = np.random.default_rng(3)
    image = rng.normal(0.5, np.array([0.02, 0.2])[:, None, None], (2, 64, 64)).astype(np.float32)
    mapping = estimate_mapping(as_stack(image, "cyx"), (0.0, 1.0), "auto")
    levels = noise_levels(image[..., None], mapping.channels, 1)
    assert levels.shape == (2, 1, 64, 64)
    np.testing.assert_allclose(levels.mean(axis=(1, 2, 3)), [0.02, 0.2], rtol=0.15)
    one = denoise(image, told, "cyx", **PLAIN)
    np.testing.assert_allclose(one[1], denoise(image[1], told, **PLAIN), atol=1e-5)


def test_shot_noise_on_a_linear_scale_is_told_as_a_map():
    rng = np.random.default_rng(4)
    ramp = np.tile(np.linspace(20, 400, 400), (200, 1))
    noisy = rng.poisson(ramp).astype(np.float32)
    mapping = estimate_mapping(as_stack(noisy), "percentile", "auto").channels
    levels = noise_levels(noisy[None, ..., None], mapping, 1)[0, 0] * (
        mapping[0].high - mapping[0].low
    )
    np.testing.assert_allclose(
        levels.mean(axis=0)[[40, 360]], np.sqrt(ramp[0, [40, 360]]), rtol=0.1
    )


def test_every_way_tells_the_same_level(told, image):
    stack = np.stack([np.pad(image, ((0, 320), (0, 352)), mode="wrap")] * 2) * 500
    stack = np.random.default_rng(0).poisson(np.clip(stack, 0, None)).astype(np.float32)
    settings = make_settings(device="cpu", output_dtype="float32")
    job = prepare(as_stack(stack), told, settings)
    expected = denoise_region(job, whole(stack.shape))
    lazy = denoise(da.from_array(stack, chunks=(1, 100, 100)), told, **settings_of(settings))
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-4, atol=0.05)
    tiled = prepare(as_stack(stack), told, settings.model_copy(update={"tile": 288}))
    assert len(tiled.rows) > 1
    np.testing.assert_allclose(denoise_region(tiled, whole(stack.shape)), expected, atol=0.5)
    region = (slice(1, 2), slice(50, 150), slice(30, 160))
    part = denoise_region(tiled, region)
    np.testing.assert_allclose(part, expected[region], atol=0.5)
    maker = PreviewMaker()
    maker._load = lambda view: told
    preview = maker(View(as_stack(stack), region, settings), CancelToken())
    np.testing.assert_allclose(preview.pixels(1.0), expected[region], atol=0.5)


def settings_of(settings):
    return {"device": settings.device, "output_dtype": settings.output_dtype}


def test_a_blind_model_keeps_its_records_and_refuses_a_number(tiny, image):
    job = prepare(as_stack(image), tiny, make_settings(device="cpu"))
    assert set(fingerprint(job)["intensity"][0]) == {"low", "high", "anscombe"}
    with pytest.raises(InputError, match="does not use the noise level"):
        denoise(image, tiny, device="cpu", noise_level=0.1)


def test_a_told_model_records_the_noise(told, image):
    job = prepare(as_stack(image), told, make_settings(device="cpu", noise_level=0.25))
    assert fingerprint(job)["intensity"][0]["noise"] == {
        "gain": 0,
        "intercept": 0.0625,
        "wide": 1.0,
    }


@pytest.mark.parametrize("text", ["loud", "-1", "nan"])
def test_wrong_levels_are_refused(text, image, told):
    with pytest.raises(InputError, match="noise"):
        denoise(image, told, device="cpu", noise_level=parse_noise_level(text))
