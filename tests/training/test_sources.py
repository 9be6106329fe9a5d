import nibabel
import numpy as np
import pytest

from medical import write_series
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.training.data.sources import open_sources


def test_whatever_can_be_denoised_can_be_learned_from(tmp_path):
    write_series(tmp_path / "ct", np.zeros((3, 32, 32), np.int16))
    (tmp_path / "files").mkdir()
    np.save(tmp_path / "files" / "b.npy", np.zeros((32, 40), np.uint8))
    volume = nibabel.Nifti1Image(np.zeros((48, 32, 2), np.int16), np.eye(4))
    nibabel.save(volume, tmp_path / "files" / "a.nii.gz")
    stacks = open_sources([tmp_path / "ct", tmp_path / "files", np.zeros((7, 32, 32))])
    assert [stack.shape for stack in stacks] == [(3, 32, 32), (2, 32, 48), (32, 40), (7, 32, 32)]


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(InputError, match="No image was found"):
        open_sources(tmp_path)
