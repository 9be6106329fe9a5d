import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.images.sampling import evenly


@given(count=st.integers(0, 10**6), most=st.integers(0, 300))
def test_a_few_of_many_are_spread_evenly(count, most):
    chosen = evenly(count, most)
    assert len(chosen) == min(count, most)
    assert np.isin(chosen, np.arange(count)).all()
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        steps = np.diff(chosen)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1
