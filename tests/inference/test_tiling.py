import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.inference.engine.tiling import (
    padded,
    reflect_index,
    smallest_tile,
    tile_axis,
)
from napari_clip_denoise.network.config import STRIDE, InputSizes

halos = st.integers(0, 8).map(lambda n: 16 * n)


@given(
    length=st.integers(1, 5000),
    halo=halos,
    extra=st.integers(0, 40),
    multiple=st.sampled_from([16, 32]),
)
def test_tiles_cover_an_axis(length, halo, extra, multiple):
    tile = smallest_tile(halo) + STRIDE * extra
    tiles = tile_axis(length, tile, halo, InputSizes(0, multiple))
    end = padded(length, multiple)
    total = np.zeros(length)
    for one in tiles:
        assert one.start % STRIDE == 0
        assert 0 <= one.start < one.stop <= end
        total[one.weight_start : one.weight_stop] += one.weights
        assert one.start == 0 or one.weight_start >= one.start + halo
        assert one.stop == end or one.weight_stop <= one.stop - halo
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert len({one.stop - one.start for one in tiles}) == 1


@given(length=st.integers(1, 100), beyond=st.integers(0, 200))
def test_reflection_is_that_of_numpy(length, beyond):
    axis = np.arange(length)
    expected = np.pad(axis, (0, beyond), mode="reflect")
    np.testing.assert_array_equal(axis[reflect_index(0, length + beyond, length)], expected)


def test_a_tile_inside_its_own_halo_is_refused():
    with pytest.raises(InputError, match="give at least 256"):
        tile_axis(1000, 240, 96, InputSizes(0, 16))
