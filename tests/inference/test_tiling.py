import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.inference.engine.tiling import layout, padded, reflect_index, smallest_tile
from napari_clip_denoise.network.denoiser import STRIDE

halos = st.integers(0, 8).map(lambda n: 16 * n)


@given(
    length=st.integers(1, 5000),
    halo=halos,
    extra=st.integers(0, 40),
    multiple=st.sampled_from([16, 32]),
)
def test_tiles_cover_an_axis(length, halo, extra, multiple):
    tile = smallest_tile(halo) + STRIDE * extra
    spans = layout(length, tile, halo, multiple)
    end = padded(length, multiple)
    total = np.zeros(length)
    for span in spans:
        assert span.start % STRIDE == 0
        assert 0 <= span.start < span.stop <= end
        total[span.weight_start : span.weight_stop] += span.weights
        assert span.start == 0 or span.weight_start >= span.start + halo
        assert span.stop == end or span.weight_stop <= span.stop - halo
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert len({span.stop - span.start for span in spans}) == 1


@given(length=st.integers(1, 100), beyond=st.integers(0, 200))
def test_reflection_is_that_of_numpy(length, beyond):
    axis = np.arange(length)
    expected = np.pad(axis, (0, beyond), mode="reflect")
    np.testing.assert_array_equal(axis[reflect_index(0, length + beyond, length)], expected)


def test_a_tile_inside_its_own_halo_is_refused():
    with pytest.raises(InputError, match="give at least 256"):
        layout(1000, 240, 96, 16)
