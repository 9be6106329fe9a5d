import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise import denoise, load
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.engine.values import cast, fill_non_finite
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
    tiled = denoise(plane, model, tile=320, batch=3, **kwargs)
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
    filled = fill_non_finite(values)
    assert filled[0, 4, 4, 0] == pytest.approx(5)
    assert filled[0, 4, 15, 0] == pytest.approx(50)
    assert np.isfinite(filled).all()
    assert np.isfinite(fill_non_finite(np.full((1, 9, 9, 1), np.nan))).all()
