import warnings

import nibabel
import numpy as np
import pydicom
import pytest

from medical import PATIENT, PATIENT_ID, hounsfield, read_values, write_series
from napari_clip_denoise import denoise


@pytest.fixture
def folder(tmp_path):
    def change(dataset, number):
        dataset.add_new("PatientBirthDate", "LO", "1950-13-99")
        dataset["PatientBirthDate"].VR = "DA"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_series(tmp_path / PATIENT, hounsfield(), change=change)
    return tmp_path / PATIENT


def test_a_series_comes_out_as_the_library_gives_it(cli, folder, tiny_file, tmp_path):
    options = ("--model", tiny_file, "--device", "cpu", "--preset", "ct")
    code, _, err = cli("denoise", folder, tmp_path / "denoised", *options)
    assert code == 0, err
    expected = denoise(hounsfield(), tiny_file, device="cpu", intensity="window")
    assert np.abs(expected.astype(int) - hounsfield()).max() > 0
    for number, path in enumerate(sorted((tmp_path / "denoised").iterdir())):
        dataset, values = read_values(path)
        np.testing.assert_array_equal(values, expected[number].clip(-1024, 3071))
        assert dataset.PatientName == PATIENT
        assert "model tiny" in dataset.DerivationDescription
        assert "intensity window" in dataset.DerivationDescription


def test_an_option_goes_before_the_preset(cli, folder, tiny_file, tmp_path):
    options = ("--model", tiny_file, "--device", "cpu", "--preset", "ct", "--intensity", "0,100")
    code, _, err = cli("denoise", folder, tmp_path / "out", *options)
    assert code == 0, err
    dataset = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
    assert "intensity [0.0, 100.0]" in dataset.DerivationDescription
    code, _, err = cli("denoise", folder, tmp_path / "b", "--preset", "mri")
    assert (code, "no preset 'mri'" in err) == (2, True)


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.zarr", "out.tif", "out.ome.tif", "out.nii"])
def test_nothing_of_the_patient_gets_into_results_or_messages(
    cli, folder, tiny_file, tmp_path, name, caplog, recwarn
):
    options = ("--model", tiny_file, "--device", "cpu", "--preset", "ct")
    code, out, err = cli("denoise", folder, tmp_path / name, *options)
    assert code == 0, err
    said = out + err + caplog.text + "".join(str(warning.message) for warning in recwarn)
    result = tmp_path / name
    files = [path for path in result.rglob("*") if path.is_file()] if result.is_dir() else [result]
    written = b"".join(path.read_bytes() for path in files)
    for secret in (PATIENT, PATIENT_ID, "Roe", "1950-13-99"):
        assert secret not in said.replace(str(tmp_path), "")
        assert secret.encode() not in written


def test_a_volume_keeps_its_header(cli, tiny_file, tmp_path):
    affine = np.array([[0, 0, 3.0, 1], [0.5, 0, 0, 2], [0, 0.5, 0, 3], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(hounsfield().T, affine)
    nibabel.save(image, tmp_path / "in.nii.gz")
    options = ("--model", tiny_file, "--device", "cpu", "--preset", "ct")
    code, _, err = cli("denoise", tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", *options)
    assert code == 0, err
    result = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(result.affine, affine)
    expected = denoise(hounsfield(), tiny_file, device="cpu", intensity="window")
    np.testing.assert_array_equal(result.get_fdata().T, expected)
