import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise import denoise
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.preview import PreviewMaker, View, central_part
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def stack():
    """Two planes (400, 420) of uint16."""
    return as_stack(acquire(fluorescence((2, 400, 420), seed=5), seed=5).noisy)


def view(stack, tiny_file, rows, columns, plane=1, **settings):
    region = (slice(plane, plane + 1), slice(*rows), slice(*columns))
    return View(stack, region, make_settings(model=str(tiny_file), device="cpu", **settings))


@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 400), (0, 420)), ((0, 33), (5, 60)), ((177, 300), (201, 420))]
)
def test_a_preview_is_that_part_of_the_run(stack, tiny, tiny_file, rows, columns):
    whole = denoise(stack, tiny, device="cpu", output_dtype="float32")
    made = PreviewMaker()(
        view(stack, tiny_file, rows, columns, output_dtype="float32"), CancelToken()
    )
    expected = whole[1:2, slice(*rows), slice(*columns)]
    np.testing.assert_allclose(made.pixels(1.0), expected, atol=0.02)


def test_a_strength_needs_no_network(stack, tiny, tiny_file):
    made = PreviewMaker()(view(stack, tiny_file, (0, 400), (0, 420)), CancelToken())
    np.testing.assert_array_equal(made.pixels(0.0), stack.array[1:])
    for strength in (0.5, 1.0):
        expected = denoise(stack, tiny, strength=strength, device="cpu")[1:]
        difference = made.pixels(strength).astype(int) - expected
        assert np.abs(difference).max() <= 1
        assert np.mean(difference != 0) < 1e-3


def test_rgb_and_nan(tiny, tiny_file):
    image = np.random.default_rng(0).random((64, 90, 3)).astype(np.float32)
    image[3, 4] = np.nan
    stack = as_stack(image, "yxs")
    region = (slice(0, 40), slice(0, 50), slice(0, 3))
    settings = make_settings(model=str(tiny_file), device="cpu")
    made = PreviewMaker()(View(stack, region, settings), CancelToken())
    expected = denoise(image, tiny, axes="yxs", device="cpu")[:40, :50]
    np.testing.assert_allclose(made.pixels(1.0), expected, atol=1e-4)


def test_the_mapping_and_the_model_are_kept(stack, tiny_file, monkeypatch):
    from napari_clip_denoise.inference.engine import job

    maker = PreviewMaker()
    first = maker.job(view(stack, tiny_file, (0, 40), (0, 40)))
    monkeypatch.delattr(job, "estimate_mapping")
    second = maker.job(view(stack, tiny_file, (9, 40), (0, 40), plane=0))
    assert second.mapping is first.mapping
    assert second.runner is first.runner
    with pytest.raises(NameError):
        maker.job(view(stack, tiny_file, (9, 40), (0, 40), intensity="minmax"))


@given(
    st.tuples(st.integers(0, 50), st.integers(1, 3000)),
    st.tuples(st.integers(0, 50), st.integers(1, 3000)),
    st.integers(1, 10**6),
)
def test_the_central_part_is_bounded_and_inside(rows, columns, most):
    region = (slice(3, 4), slice(rows[0], sum(rows)), slice(columns[0], sum(columns)))
    part = central_part(region, 2, most)
    sizes = [piece.stop - piece.start for piece in part]
    assert 1 <= sizes[1] * sizes[2] <= most
    for piece, of in zip(part, region, strict=True):
        assert of.start <= piece.start < piece.stop <= of.stop
        assert abs((piece.start - of.start) - (of.stop - piece.stop)) <= 1
    if rows[1] * columns[1] <= most:
        assert part == region
