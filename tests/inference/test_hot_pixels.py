import numpy as np
import pytest

from napari_clip_denoise import denoise
from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.hot_pixels import find_hot_pixels

SAME = 1.5 * 1.3
"""Error of the other pixels that is as good as without hot ones."""


@pytest.fixture(scope="module")
def scene():
    y, x = np.mgrid[:256, :256]
    blob = 100 + 400 * np.exp(-((x - 90) ** 2 + (y - 90) ** 2) / 800)
    return blob, np.random.default_rng(0).poisson(blob).astype("u2")


def hot_in(image):
    mapping = estimate_mapping(as_stack(image), "anscombe").channels
    found = find_hot_pixels(image[None, ..., None], mapping)
    return np.zeros(image.shape, bool) if found is None else found[0, ..., 0]


@pytest.mark.parametrize(("count", "value"), [(65, 65535), (65, 4095), (1, 65535), (65, 0)])
def test_hot_pixels_are_kept_and_leave_the_others_alone(scene, count, value):
    blob, noisy = scene
    noisy = noisy + 10_000 if value == 0 else noisy.copy()
    where = np.random.default_rng(1).choice(noisy.size, count, replace=False)
    noisy.flat[where] = value
    hot = np.isin(np.arange(noisy.size), where).reshape(noisy.shape)
    with pytest.warns(UserWarning, match="hot or dead pixel"):
        result = denoise(noisy, device="cpu", output_dtype="float32")
    np.testing.assert_array_equal(result[hot], value)
    error = (result - blob - (10_000 if value == 0 else 0))[~hot]
    assert np.sqrt(np.square(error).mean()) < SAME


def test_they_can_be_replaced(scene):
    blob, noisy = scene
    noisy = noisy.copy()
    noisy[50:250:20, 50:250:20] = 65535
    with pytest.warns(UserWarning, match="100 hot or dead pixels were replaced"):
        result = denoise(noisy, device="cpu", hot_pixels="replace", output_dtype="float32")
    error = result[50:250:20, 50:250:20] - blob[50:250:20, 50:250:20]
    assert np.sqrt(np.square(error).mean()) < 5
    none = denoise(noisy, device="cpu", hot_pixels="replace", strength=0)
    np.testing.assert_array_equal(none, noisy)


def test_one_absurd_value_of_a_float_image(scene):
    blob, noisy = scene
    noisy = noisy.astype(np.float32)
    noisy[100, 100] = -3.4e38
    with pytest.warns(UserWarning, match="1 hot or dead pixel was kept"):
        result = denoise(noisy, device="cpu")
    assert result[100, 100] == noisy[100, 100]
    result[100, 100] = blob[100, 100]
    assert np.sqrt(np.square(result - blob).mean()) < SAME


def test_neighbouring_hot_pixels_are_found(scene):
    noisy = scene[1].copy()
    noisy[40, 40:42] = noisy[80, 80] = noisy[81, 81] = noisy[0, 0] = noisy[255, 100] = 60000
    assert np.count_nonzero(hot_in(noisy)) == 6
    assert hot_in(noisy)[[40, 40, 80, 81, 0, 255], [40, 41, 80, 81, 0, 100]].all()


@pytest.mark.parametrize("width", [0.6, 1.0, 2.0])
def test_light_through_a_lens_is_not_hot(width):
    y, x = np.mgrid[:128, :128]
    light = np.zeros((128, 128))
    for cy, cx in np.random.default_rng(2).uniform(5, 122, (20, 2)):
        light += 20_000 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
    assert not hot_in(np.random.default_rng(3).poisson(light + 100).astype("u2")).any()


def test_a_disc_and_few_photons_are_not_hot():
    y, x = np.mgrid[:128, :128]
    disc = np.where(np.hypot(y - 60, x - 60) < 12, 5000.0, 100.0)
    assert not hot_in(np.random.default_rng(0).poisson(disc).astype("u2")).any()
    few = np.random.default_rng(0).poisson(0.1, (128, 128)).astype("u2")
    assert np.count_nonzero(hot_in(few)) < 5
