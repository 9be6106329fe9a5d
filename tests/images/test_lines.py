import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise.images import lines as module
from napari_clip_denoise.images.lines import line_offsets
from napari_clip_denoise.noise.simulation import fluorescence

NOISE = 60.0


def striped(seed, amplitude=NOISE):
    """Return a noisy plane of cells with and without row offsets, and the offsets."""
    rng = np.random.default_rng(seed)
    clean = 100 + 1000 * fluorescence((1, 256, 512), seed=seed)[0].clip(0, 1)
    noisy = clean + rng.normal(0, NOISE, clean.shape)
    offsets = rng.normal(0, amplitude, (256, 1))
    return noisy, noisy + offsets, offsets


def test_offsets_of_the_size_of_the_noise_are_reduced_by_70_percent():
    left = []
    for seed in range(6):
        _, with_lines, offsets = striped(seed)
        left.append((offsets - line_offsets(with_lines, "rows")).std() / offsets.std())
    assert np.mean(left) < 0.3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_image_without_offsets_is_hardly_changed(seed):
    noisy, _, _ = striped(seed)
    assert line_offsets(noisy, "rows").std() < 0.25 * NOISE


def test_columns_are_the_rows_of_the_transposed_plane_and_samples_are_independent():
    _, rows, _ = striped(3)
    found = line_offsets(rows, "rows")
    np.testing.assert_array_equal(line_offsets(rows.T, "columns"), found.T)
    both = line_offsets(np.stack([rows, 2 * rows], axis=-1), "rows")
    assert both.shape == (256, 1, 2)
    np.testing.assert_allclose(both[..., 0], found, rtol=1e-5)
    np.testing.assert_allclose(both[..., 1], 2 * found, rtol=1e-4, atol=1e-3)


def test_bands_do_not_change_the_offsets(monkeypatch):
    _, rows, _ = striped(4)
    whole = line_offsets(rows, "rows")
    monkeypatch.setattr(module, "BAND_SAMPLES", 512 * 7)
    assert np.abs(line_offsets(rows, "rows") - whole).max() < 0.2 * NOISE


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    dtype=st.sampled_from(["u1", "u2", "i2", "f4"]),
    seed=st.integers(0, 99),
)
def test_any_plane_has_finite_offsets(shape, dtype, seed):
    plane = np.random.default_rng(seed).integers(0, 120, shape).astype(dtype)
    offsets = line_offsets(plane, "rows")
    assert offsets.shape == (shape[0], 1)
    assert offsets.dtype == np.float32
    assert np.isfinite(offsets).all()
    assert not line_offsets(np.full(shape, 7, dtype), "rows").any()
