import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import iradon

from napari_clip_denoise.noise.ct import Tomographic

SIDE = 128


@settings(max_examples=20, deadline=None)
@given(
    cutoff=st.floats(0.1, 1),
    streaks=st.floats(0, 3),
    direction=st.floats(0, np.pi),
    shape=st.tuples(st.integers(60, 90), st.integers(60, 90)),
)
def test_noise_has_its_spectrum_and_keeps_the_mean(cutoff, streaks, direction, shape):
    model = Tomographic(0.2, cutoff, streaks, direction)
    noise = model(np.zeros((40, *shape), np.float32), np.random.default_rng(0))
    assert noise.dtype == np.float32
    assert abs(noise.mean(axis=(1, 2))).max() < 1e-6
    assert noise.std() == pytest.approx(0.2, rel=0.03)
    power = np.square(abs(np.fft.fft2(noise))).mean(0) / noise[0].size
    assert power.sum() / noise[0].size == pytest.approx(0.04, rel=0.06)
    expected = model.power(shape)
    ratio = (power / expected.clip(1e-9))[expected > 0.01 * expected.mean()]
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    assert ratio.std() < 0.25


def test_more_power_has_the_direction_of_the_streaks():
    power = Tomographic(1, streaks=0.8).power((SIDE, SIDE))
    assert power[0, 20] / power[20, 0] == pytest.approx(np.exp(1.6))


def test_a_reconstruction_of_white_noise_has_that_spectrum():
    sinogram = np.random.default_rng(0).normal(size=(SIDE, 200))
    image = iradon(sinogram, np.linspace(0, 180, 200, endpoint=False), circle=True)
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    measured = _rings(np.square(abs(np.fft.fft2(image[middle, middle]))))
    theory = _rings(Tomographic(1, cutoff=0.45).power((SIDE // 2, SIDE // 2)))
    np.testing.assert_allclose(measured / measured.sum(), theory / theory.sum(), atol=0.04)


def _rings(power: np.ndarray) -> np.ndarray:
    """Mean power in rings of frequency, up to Nyquist's."""
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in power.shape)))
    edges = np.linspace(0.02, 0.5, 9)
    rings = np.digitize(frequency, edges)
    return np.array([power[rings == ring].mean() for ring in range(1, len(edges))])
