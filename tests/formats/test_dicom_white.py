"""DICOM images whose low values are shown white (MONOCHROME1)."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from medical import hounsfield, write_frames, write_series
from napari_clip_denoise.formats import lost_metadata, open_stack
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

SETTINGS = make_settings(device="cpu", intensity="window")


def turn_white(dataset, number=0):
    dataset.PhotometricInterpretation = "MONOCHROME1"


@pytest.fixture(params=["series", "frames"])
def source(request, tmp_path):
    if request.param == "series":
        write_series(tmp_path / "scan", hounsfield((2, 40, 50)), change=turn_white)
        return tmp_path / "scan"
    stored = np.random.default_rng(0).integers(0, 4000, (2, 40, 50), "u2")
    path = tmp_path / "scan.dcm"
    return write_frames(path, stored, SecondaryCaptureImageStorage, change=turn_white)


def stored_values(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [pydicom.dcmread(file) for file in files]


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr", "a.nii.gz", "a.npy"])
def test_other_formats_keep_the_values_and_say_that_the_look_is_lost(source, tiny, tmp_path, name):
    notices = []
    stack = open_stack(source)

    def start(array, provenance):
        assert any("low values white (MONOCHROME1)" in notice for notice in notices)

    settings = SETTINGS.model_copy(update={"strength": 0.0})
    path = denoise_to_file(
        stack, tmp_path / name, settings, model=tiny, on_start=start, notify=notices.append
    )
    result = open_stack(path)
    np.testing.assert_array_equal(result.read(whole(result.shape)), stack.read(whole(stack.shape)))
    assert "\n" not in lost_metadata(path, stack)


def test_dicom_keeps_both(source, tiny, tmp_path):
    output = tmp_path / ("out" if source.is_dir() else "out.dcm")
    notices = []
    stack = open_stack(source)
    denoise_to_file(stack, output, SETTINGS, model=tiny, notify=notices.append)
    assert not any("MONOCHROME1" in notice for notice in notices)
    assert lost_metadata(output, stack) is None
    for dataset in stored_values(output):
        assert dataset.PhotometricInterpretation == "MONOCHROME1"
    assert open_stack(output).low_is_white


def test_nothing_is_said_of_ordinary_series(tmp_path):
    write_series(tmp_path / "scan", hounsfield((2, 40, 50)))
    assert lost_metadata(tmp_path / "a.ome.zarr", open_stack(tmp_path / "scan")) is None
