"""Random arrays, axes, types and settings through `denoise`.

``pytest tests/fuzz --hypothesis-profile=long`` tries 10,000 of them.
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_clip_denoise import denoise
from napari_clip_denoise.errors import ClipDenoiseError, UnexpectedError

NUMBERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">f4", ">i8"]
EXAMPLES = max(300, settings.default.max_examples)
MOST_VALUES = 200_000
OTHERS = ["?", "c8", "f16", "M8[s]", "S3", "O"]


def bits(generator, shape, dtype):
    """Any values that the type can hold: also NaN, infinities and denormal numbers."""
    count = int(np.prod(shape)) * dtype.itemsize
    return generator.integers(0, 256, count, np.uint8).view(dtype).reshape(shape)


def noise(generator, shape, dtype):
    return generator.poisson(20, shape).astype(dtype)


def constant(generator, shape, dtype):
    return np.full(shape, generator.integers(0, 100)).astype(dtype)


def extremes(generator, shape, dtype):
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return generator.choice(np.array([info.min, info.max, 0], dtype), shape)


def hot(generator, shape, dtype):
    values = noise(generator, shape, dtype)
    if values.size:
        info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        values.flat[generator.integers(values.size)] = info.max
    return values


def holes(generator, shape, dtype):
    values = noise(generator, shape, dtype)
    if dtype.kind == "f":
        values[generator.random(shape) < 0.3] = generator.choice([np.nan, np.inf, -np.inf])
    return values


@st.composite
def arrays(draw):
    """Draw an array of numbers of any shape, memory layout and content."""
    sides = st.lists(st.sampled_from([0, 1, 2, 3, 4, 7, 17, 40]), max_size=5)
    shape = draw(sides.filter(lambda shape: math.prod(shape) <= MOST_VALUES))
    if draw(st.booleans()):
        shape = [*shape[:2], draw(st.integers(1, 60)), draw(st.integers(1, 60))]
    dtype = np.dtype(draw(st.sampled_from(NUMBERS)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    make = draw(st.sampled_from([bits, noise, constant, extremes, hot, holes]))
    native = make(generator, tuple(shape), dtype.newbyteorder("="))
    array = native.astype(dtype)
    layout = draw(st.sampled_from(["C", "F", "reversed", "read-only"]))
    if layout == "F":
        array = np.asfortranarray(array)
    elif layout == "reversed":
        array = array[..., ::-1] if array.ndim else array
    elif layout == "read-only":
        array.flags.writeable = False
    return array


options = st.fixed_dictionaries(
    {},
    optional={
        "axes": st.text("tczyxsqZYX, ", max_size=6) | st.permutations("tzyx").map("".join),
        "intensity": st.sampled_from(["anscombe", "percentile", "minmax", "dtype", "window"])
        | st.tuples(st.floats(), st.floats()),
        "output_dtype": st.sampled_from([*NUMBERS, *OTHERS, "nonsense"]),
        "strength": st.floats(-0.1, 1.1) | st.floats(),
        "rgb": st.booleans(),
        "tile": st.sampled_from([0, 16, 256, 272, 4096]),
        "batch": st.integers(-1, 9),
        "noise_level": st.sampled_from(["auto", "blind"]) | st.floats(),
    },
)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(array=arrays(), options=options)
def test_random_arrays_give_a_right_result_or_one_sentence(tiny, array, options):
    before = array.copy()
    try:
        result = denoise(array, tiny, device="cpu", **options)
    except UnexpectedError:
        raise
    except ClipDenoiseError as error:
        message = str(error)
        assert message.endswith(".")
        assert len(message) < 500
        return
    finally:
        np.testing.assert_array_equal(array, before)
    assert result.shape == array.shape
    assert result.dtype == np.dtype(options.get("output_dtype") or array.dtype)
    if result.dtype.kind == "f":
        assert np.isfinite(result[np.isfinite(array)]).all()
    if options.get("strength") == 0 and "output_dtype" not in options:
        np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("dtype", OTHERS)
def test_what_is_no_number_is_refused(tiny, dtype):
    with pytest.raises(ClipDenoiseError):
        denoise(np.zeros((20, 30), dtype), tiny)
