"""Arrays in files behave as NumPy's do, whoever asks for their pixels."""

import nibabel
import numpy as np
import pytest
import tifffile

from medical import hounsfield, write_frames, write_series
from microscopes import write_czi
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.flat import FlatArray
from napari_clip_denoise.images.lazy import LazyArray
from napari_clip_denoise.images.regions import whole

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
PLANES = hounsfield((4, 40, 50))


def folder_of_planes(path):
    path.mkdir()
    for number, plane in enumerate(PLANES):
        tifffile.imwrite(path / f"{number}.tif", plane)


def nifti(path):
    nibabel.Nifti1Image(PLANES.T, np.eye(4)).to_filename(path)


def czi(path):
    pytest.importorskip("bioio_czi")
    write_czi(path, {"one": PLANES.astype("u2")[None, None]})


KINDS = {
    "planes": folder_of_planes,
    "ct": lambda path: write_series(path, PLANES),
    "frames.dcm": lambda path: write_frames(path, PLANES.astype("u2"), ENHANCED_CT),
    "volume.nii": nifti,
    "volume.nii.gz": nifti,
    "cells.czi": czi,
}


@pytest.fixture(params=KINDS)
def stack(request, tmp_path):
    KINDS[request.param](tmp_path / request.param)
    return open_stack(tmp_path / request.param)


def test_numpy_reads_all_of_an_array_or_a_stack(stack):
    expected = stack.read(whole(stack.shape))
    for read in (np.asarray(stack.array), np.array(stack.array), np.asarray(stack)):
        assert (read.shape, read.dtype) == (stack.shape, stack.dtype)
        np.testing.assert_array_equal(read, expected)
    assert np.asarray(stack.array, "f8").dtype == np.float64
    assert np.mean(stack.array) == expected.mean()
    assert len(stack.array) == stack.shape[0]


def test_a_copy_cannot_be_avoided(stack):
    for lazy in (stack.array, stack):
        with pytest.raises(ValueError, match="without making a copy"):
            np.array(lazy, copy=False)


def test_parts_are_those_of_numpy(stack):
    array, expected = stack.array, stack.read(whole(stack.shape))
    assert isinstance(array, LazyArray)
    for index in (
        np.s_[...],
        np.s_[..., 3],
        np.s_[-1],
        np.s_[1:3, ..., 5:20:4],
        np.s_[..., 30:10:-3, :],
        np.s_[::-2],
        np.s_[3:1],
    ):
        np.testing.assert_array_equal(array[index], expected[index], err_msg=str(index))
    with pytest.raises(IndexError):
        array[(0,) * (array.ndim + 1)]
    assert [plane.shape for plane in array] == [array.shape[1:]] * len(array)


def test_an_output_in_a_file_is_read_like_a_source(tmp_path):
    path = tmp_path / "pixels"
    path.touch()
    array = FlatArray(path, np.dtype("u2"), (3, 4), 0)
    array.write(np.s_[1:2, 0:4], np.full((1, 4), 7, "u2"))
    np.testing.assert_array_equal(np.asarray(array), [[0] * 4, [7] * 4, [0] * 4])
    with pytest.raises(ValueError, match="without making a copy"):
        np.array(array, copy=False)
    array.close()
