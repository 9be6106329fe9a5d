import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.formats.medical.rescale import Rescale

DTYPES = st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4"]).map(np.dtype)
SLOPES = st.sampled_from([1.0, -1.0, 2.0, 0.5, 0.0371, -3.7])
INTERCEPTS = st.sampled_from([0.0, -1024.0, 0.25, 1e4])


@given(DTYPES, SLOPES, INTERCEPTS, st.integers(0, 2**32 - 1))
def test_every_stored_number_comes_back(dtype, slope, intercept, seed):
    rescale = Rescale.of_type(dtype, slope, intercept)
    info = np.iinfo(dtype)
    generator = np.random.default_rng(seed)
    stored = generator.integers(info.min, info.max, 50, dtype, endpoint=True)
    stored[:2] = info.min, info.max
    values = rescale.to_values(stored, rescale.value_dtype)
    exact = stored.astype("f8") * slope + intercept
    np.testing.assert_allclose(values, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())
    np.testing.assert_array_equal(rescale.to_stored(values), stored)


@given(SLOPES, INTERCEPTS, st.integers(0, 2**32 - 1))
def test_other_values_are_stored_to_half_a_step_or_clipped(slope, intercept, seed):
    rescale = Rescale(np.dtype("u2"), 0, 4095, slope, intercept)
    ends = np.sort(slope * np.array([0, 4095]) + intercept)
    values = np.random.default_rng(seed).uniform(ends[0] - 50, ends[1] + 50, 60)
    again = rescale.to_values(rescale.to_stored(values), np.dtype("f8"))
    nearest = values.clip(*ends)
    assert np.abs(again - nearest).max() <= abs(slope) / 2 + 1e-9


@pytest.mark.parametrize(
    ("dtype", "low", "high", "slope", "intercept", "expected"),
    [
        ("u2", 0, 4095, 1, -1024, "i2"),
        ("u2", 0, 65535, 1, -1024, "i4"),
        ("i2", -32768, 32767, 1, 0, "i2"),
        ("u1", 0, 255, 1, 0, "u1"),
        ("u1", 0, 255, -1, 0, "i2"),
        ("u2", 0, 4095, 0.5, 0, "f4"),
        ("i4", -(2**31), 2**31 - 1, 0.5, 0, "f8"),
        (">f4", -1, 1, 2, 0, "f4"),
        ("f8", -1, 1, 1, 0, "f8"),
    ],
)
def test_the_type_of_values_is_the_smallest_that_holds_them(
    dtype, low, high, slope, intercept, expected
):
    rescale = Rescale(np.dtype(dtype).newbyteorder("="), low, high, slope, intercept)
    assert rescale.value_dtype == np.dtype(expected)


def test_floats_are_left_as_they_are():
    values = np.array([np.nan, np.inf, 1e30, -7.5], np.float32)
    rescale = Rescale.of_type(np.dtype("f4"))
    np.testing.assert_array_equal(rescale.to_stored(values), values)
