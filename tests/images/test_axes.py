import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import (
    infer_axes,
    leading_axes,
    name_axes,
    parse_axes,
    plane_axes,
)


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("ZYX", (3, 40, 50), "zyx"),
        ("t, c, y, x", (3, 2, 40, 50), "tcyx"),
        ("YXS", (40, 50, 3), "yxs"),
        ("qzyx", (1, 2, 40, 50), "qzyx"),
    ],
)
def test_axes_are_read_as_people_write_them(axes, shape, expected):
    assert parse_axes(axes, shape) == expected


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("zyx", (40, 50), "name 3 dimensions, but the image has 2 of size 40 x 50"),
        ("zxy", (3, 40, 50), "do not end in the plane"),
        ("yxz", (40, 50, 3), "do not end in the plane"),
        ("yyx", (3, 40, 50), "its own letter"),
        ("z-x", (3, 40, 50), "its own letter"),
        ("", (3, 40, 50), "its own letter"),
        ("yxs", (40, 50, 7), "should be 3 or 4"),
    ],
)
def test_wrong_axes_are_answered_in_one_sentence(axes, shape, message):
    with pytest.raises(InputError, match=message):
        parse_axes(axes, shape)


@given(
    leading=st.lists(st.integers(1, 5), max_size=6),
    plane=st.tuples(st.integers(1, 99), st.integers(1, 99)),
    rgb=st.booleans(),
)
def test_inferred_axes_fit(leading, plane, rgb):
    shape = (*leading, *plane, *((3,) if rgb else ()))
    axes = infer_axes(shape, rgb=rgb)
    assert parse_axes(axes, shape) == axes
    assert plane_axes(axes) == ("yxs" if rgb else "yx")
    assert len(leading_axes(axes)) == len(leading)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((9, 9), "yx"), ((3, 9, 9), "zyx"), ((2, 3, 9, 9), "tzyx"), ((5, 2, 3, 9, 9), "tczyx")],
)
def test_the_usual_order_is_inferred(shape, expected):
    assert infer_axes(shape) == expected


def test_a_small_last_axis_of_bytes_is_rgb():
    assert infer_axes((9, 9, 3), dtype=np.dtype("u1")) == "yxs"
    assert infer_axes((9, 9, 3), dtype=np.dtype("u2")) == "zyx"


def test_too_few_dimensions_are_refused():
    with pytest.raises(InputError, match="of 1 dimensions is not an image"):
        infer_axes((9,))


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (["channel", None, None], "cyx"),
        (["channel", "row", None], "cyx"),
        (["time", "latitude", "longitude"], "tyx"),
        (["latitude", "longitude", "time"], "yxt"),
        ([None, "c", None, None], "zcyx"),
        ([None, None, None], ""),
        (["first", "second", "third"], ""),
        (["c", "z", None], ""),
    ],
)
def test_names_are_kept_where_they_do_not_name_the_plane(names, axes):
    assert name_axes(names) == axes
