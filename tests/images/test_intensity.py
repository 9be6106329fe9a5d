import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import estimate_mapping, parse_intensity
from napari_clip_denoise.images.source import as_stack


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).gamma(2, 500, (40, 64, 64)).astype(np.uint16)


def test_percentiles_of_a_sample_are_those_of_the_stack(values):
    ((low, high),) = estimate_mapping(as_stack(values), "percentile").pairs
    np.testing.assert_allclose((low, high), np.percentile(values, (1, 99)), rtol=0.03)


def test_extremes_are_exact(values):
    values = values.copy()
    values[17, 3, 5] = 60000
    assert estimate_mapping(as_stack(values), "minmax").pairs == ((values.min(), 60000),)


def test_large_planes_are_sampled_in_pieces():
    plane = np.random.default_rng(0).normal(100, 10, (3000, 2500))
    ((low, high),) = estimate_mapping(as_stack(plane), "percentile").pairs
    np.testing.assert_allclose((low, high), np.percentile(plane, (1, 99)), rtol=0.01)


@pytest.mark.parametrize(
    ("intensity", "dtype", "expected"),
    [
        ("dtype", "u1", (0, 255)),
        ("dtype", "i2", (-32768, 32767)),
        ("dtype", "f4", (0, 1)),
        ("window", "i2", (-1024, 3072)),
        ((3.0, 9.0), "u2", (3, 9)),
    ],
)
def test_fixed_ranges(intensity, dtype, expected):
    stack = as_stack(np.zeros((4, 5), dtype))
    assert estimate_mapping(stack, intensity).pairs == (expected,)


def test_channels_are_measured_apart(values):
    both = np.stack([values[:3], values[:3] // 100], axis=1)
    first, second = estimate_mapping(as_stack(both, "zcyx"), "percentile").pairs
    assert first[1] > 50 * second[1]


def test_values_that_are_not_finite_do_not_count():
    image = np.linspace(0, 1, 10000).reshape(100, 100)
    image[0, :50] = np.nan
    image[1, :50] = np.inf
    ((low, high),) = estimate_mapping(as_stack(image), "percentile").pairs
    assert 0 < low < 0.1
    assert 0.9 < high < 1


def test_a_mostly_constant_channel_falls_back_to_its_extremes():
    image = np.zeros((100, 100))
    image[50, 50] = 7
    assert estimate_mapping(as_stack(image), "percentile").pairs == ((0, 7),)


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_a_pair_is_read_back(low, span):
    assert parse_intensity(f"{low!r},{low + span!r}") == (low, low + span)


@pytest.mark.parametrize("text", ["best", "1", "1,2,3", "5,5", "9,2", "nan,1", "0,inf", ""])
def test_unusable_settings_are_refused(text):
    with pytest.raises(InputError, match=r"give (one of|two finite)"):
        parse_intensity(text)
