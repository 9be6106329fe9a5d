from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise import denoise, load
from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.engine.values import cast, fill_missing, missing_in
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def plane():
    return acquire(fluorescence((500, 420), seed=2), seed=2).noisy


@pytest.mark.parametrize("name", ["compact", "tiny"])
def test_tiles_equal_the_whole_plane(plane, tiny, name):
    model = tiny if name == "tiny" else load(name)
    kwargs = {"output_dtype": "float32", "device": "cpu"}
    whole_plane = denoise(plane, model, **kwargs)
    tiled = denoise(plane, model, tile=384, batch=3, **kwargs)
    assert np.abs(whole_plane - plane).max() > 0.01 * np.ptp(plane)
    assert np.abs(tiled - whole_plane).max() < 1e-4 * np.ptp(plane)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_region_is_that_part_of_the_whole(tiny, plane, data):
    stack = as_stack(np.stack([plane, plane[::-1]]), "zyx")
    tile = data.draw(st.sampled_from([None, 256, 272]))
    job = prepare(stack, tiny, make_settings(tile=tile, device="cpu", output_dtype="float32"))
    expected = denoise_region(job, whole(stack.shape))
    region = []
    for size in stack.shape:
        start = data.draw(st.integers(0, size - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, size))))
    part = denoise_region(job, tuple(region))
    np.testing.assert_allclose(part, expected[tuple(region)], atol=1e-4 * np.ptp(plane))


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    data=st.data(),
)
def test_a_split_covers_each_element_once(shape, data):
    steps = tuple(data.draw(st.integers(1, 10)) for _ in shape)
    count = np.zeros(shape, int)
    for region in split(tuple(shape), steps):
        count[region] += 1
    assert (count == 1).all()


@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]),
    kind=st.sampled_from(["f4", "f8"]),
)
def test_casting_rounds_and_clips(dtype, kind):
    info = np.iinfo(dtype)
    values = np.array([1.5, 2.5, 0.4, np.nan, np.inf, -np.inf, 1e30, -1e30], kind)
    result = cast(values, np.dtype(dtype))
    assert result[:4].tolist() == [2, 2, 0, 0]
    tolerance = info.max * 1e-6
    for high, low in ((result[4], result[5]), (result[6], result[7])):
        assert info.max - int(high) <= tolerance
        assert int(low) == info.min


def test_missing_values_are_filled_from_their_neighbours():
    values = np.full((1, 20, 20, 1), 5.0, np.float32)
    values[0, :, 10:] = 50
    values[0, 4, 4] = np.nan
    values[0, 4, 15] = np.inf
    filled = fill_missing(values, missing_in(values, None))
    assert filled[0, 4, 4, 0] == pytest.approx(5)
    assert filled[0, 4, 15, 0] == pytest.approx(50)
    assert np.isfinite(filled).all()
    nothing = np.full((1, 9, 9, 1), np.nan)
    assert np.isfinite(fill_missing(nothing, missing_in(nothing, None))).all()


def test_far_inside_what_is_missing_the_nearest_values_go_on():
    values = np.full((1, 40, 60, 1), -1000, np.int16)
    values[0, :, 30:] = 40
    values[0, 10:30] = -2000
    filled = fill_missing(values, missing_in(values, (-2000, -2000)))
    assert (filled[0, :, :25] == -1000).all()
    assert (filled[0, :, 35:] == 40).all()


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (-3.3e38, 3.3e38, "f4"),
        (-1e300, 1e300, "f8"),
        (-1.7e308, 1.7e308, "f8"),
        (0, 1e-39, "f4"),
        (0, 1e-44, "f4"),
        (0, 1e-310, "f8"),
        (0, 65504, "f2"),
        (0, 6e-8, "f2"),
    ],
)
@pytest.mark.parametrize("intensity", ["anscombe", "minmax", "percentile", "dtype"])
def test_finite_values_stay_finite(tiny, low, high, dtype, intensity, strength):
    unit = np.random.default_rng(0).random((40, 50))
    noisy = (low * (1 - unit) + high * unit).astype(dtype)
    result = denoise(noisy, tiny, intensity=intensity, strength=strength)
    assert np.isfinite(result).all()
    if strength == 0:
        np.testing.assert_array_equal(result, noisy)


def test_a_narrower_result_type_is_clipped(tiny):
    noisy = np.random.default_rng(0).normal(1e6, 10, (40, 50)).astype("f4")
    noisy[3, 3] = np.inf
    result = denoise(noisy, tiny, output_dtype="float16")
    assert np.isinf(result).sum() == 1
    assert np.isinf(result[3, 3])


@pytest.mark.parametrize("padding", [(-2000.0, -2000.0), (-np.inf, -1500.0)])
def test_padding_is_kept_and_never_seen(tiny, padding):
    values = np.random.default_rng(0).normal(-1000, 20, (2, 80, 90)).astype(np.int16)
    around = np.zeros(values.shape, bool)
    around[:, :30] = around[:, :, 70:] = True
    results = []
    for outside in (-2000, -1000):
        values[around] = outside
        stack = replace(as_stack(values, "zyx"), padding=padding if outside == -2000 else None)
        results.append(denoise(stack, tiny, intensity="window", output_dtype="float32"))
    assert (results[0][around] == -2000).all()
    assert np.abs(results[0] - results[1])[~around].max() < 10
    mapped = estimate_mapping(
        replace(as_stack(np.where(around, -2000, values)), padding=padding), "minmax"
    )
    assert mapped.channel(0).low > -1200


@pytest.mark.parametrize("dtype", ["i8", "u8", ">u8"])
def test_unchanged_integers_of_64_bits_keep_their_last_bits(tiny, dtype):
    generator = np.random.default_rng(0)
    values = generator.integers(2**62, 2**63 - 1, (40, 50)).astype(dtype)
    result = denoise(values, tiny, strength=0)
    assert result.dtype == values.dtype
    np.testing.assert_array_equal(result, values)
