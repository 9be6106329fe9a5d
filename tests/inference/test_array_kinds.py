"""Arrays of other libraries, and arguments that are none."""

import dask.array as da
import numpy as np
import pytest
import torch

from napari_clip_denoise import denoise, denoise_to_zarr
from napari_clip_denoise.errors import (
    ClipDenoiseError,
    DeviceError,
    InputError,
    UnexpectedError,
    door,
)

VALUES = np.random.default_rng(0).poisson(50, (3, 40, 50)).astype("f4")


@pytest.fixture(scope="module")
def expected(tiny):
    return denoise(VALUES, tiny)


@pytest.mark.parametrize(
    "make",
    [
        torch.from_numpy,
        lambda values: torch.from_numpy(values).requires_grad_(),
        lambda values: values.tolist(),
        np.asfortranarray,
        lambda values: values.astype(">f4"),
        lambda values: np.ma.MaskedArray(values, False),
    ],
    ids=["tensor", "tensor with gradient", "lists", "Fortran order", "big endian", "no mask"],
)
def test_arrays_of_all_kinds_give_the_same(tiny, expected, make):
    result = denoise(make(VALUES), tiny)
    assert isinstance(result, np.ndarray)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ((0, 1, 2), ("channel", "y", "x")),
        ((1, 2, 0), ("y", "x", "c")),
        ((2, 0, 1), ("x", "c", "y")),
    ],
)
def test_names_of_dimensions_are_used(tiny, order, names):
    xarray = pytest.importorskip("xarray")
    result = denoise(xarray.DataArray(VALUES.transpose(order), dims=names), tiny)
    np.testing.assert_allclose(result, denoise(VALUES, tiny, "cyx").transpose(order), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["f4", "u2"])
@pytest.mark.parametrize("axes", ["zyx", "yxz"])
def test_masked_pixels_are_missing(tiny, dtype, axes):
    values = VALUES.astype(dtype)
    mask = np.zeros(values.shape, bool)
    mask[:, 10:14, 20:23] = mask[1, 30] = True
    bad = np.where(mask, 60000, values)
    order = ["zyx".index(axis) for axis in axes]
    result = denoise(np.ma.MaskedArray(bad, mask).transpose(order), tiny, axes).transpose(
        np.argsort(order)
    )
    assert isinstance(result, np.ma.MaskedArray)
    np.testing.assert_array_equal(result.mask, mask)
    np.testing.assert_array_equal(result.data[mask], bad[mask])
    others = denoise(np.where(mask, values.mean().astype(dtype), values), tiny)
    assert np.abs(result.data.astype(float) - others)[~mask].max() < 30


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[1, 2], [3]], "A list cannot be used as an image"),
        (None, "Pixels of type object"),
        ("image", "Pixels of type <U5"),
        (np.zeros((4, 5), np.longdouble), "Pixels of type"),
        (torch.zeros(4, 5).to_sparse(), "A Tensor cannot be used as an image"),
        (torch.zeros(4, 5, dtype=torch.complex64), "Pixels of type complex64"),
        (da.ones((4, 5, 6))[da.ones(4) > 0], "compute_chunk_sizes"),
        (range(4), "1 dimensions is not an image"),
    ],
)
def test_what_is_no_image_is_one_sentence(tiny, array, message):
    with pytest.raises(InputError, match=message):
        denoise(array, tiny)


def test_a_masked_array_is_not_written_to_a_store(tiny, tmp_path):
    with pytest.raises(InputError, match="masked array is used in memory only"):
        denoise_to_zarr(np.ma.MaskedArray(VALUES, VALUES > 60), tmp_path / "a.zarr", tiny)


@pytest.mark.parametrize("model", [None, 5, b"compact", object()])
def test_a_model_of_a_wrong_kind_is_one_sentence(model):
    with pytest.raises(ClipDenoiseError, match="A model is given by its name"):
        denoise(VALUES, model)


def test_an_array_that_cannot_be_read_is_told(tiny):
    def fail(block):
        raise OSError("gone")

    broken = da.map_blocks(fail, da.ones((3, 40, 50)), dtype="f4", meta=np.zeros((0, 0, 0)))
    with pytest.raises(InputError, match=r"cannot be read .OSError: gone"):
        denoise(broken, tiny)


def test_no_foreign_exception_passes_a_door():
    @door
    def divide(path, by):
        return 1 / by

    @door
    def count(path, last):
        yield from range(last)
        raise MemoryError

    assert divide("a.tif", 2) == 0.5
    with pytest.raises(
        UnexpectedError, match=r"^a\.tif: ZeroDivisionError: .*please report"
    ) as error:
        divide("a.tif", 0)
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    with pytest.raises(TypeError):
        divide("a.tif", wrong=1)
    values = count("a.tif", 2)
    assert [next(values), next(values)] == [0, 1]
    with pytest.raises(DeviceError, match=r"a\.tif needs more memory"):
        next(values)
