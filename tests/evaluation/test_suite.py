import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.evaluation.suite import score
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulate import fluorescence


def test_every_set_is_scored_against_its_truth(tiny, tmp_path):
    for name in ("fmd", "w2s"):
        for side in ("noisy", "clean"):
            (tmp_path / name / side).mkdir(parents=True)
    (tmp_path / "set12").mkdir()
    clean = (255 * fluorescence((64, 80), seed=1).clip(0, 1)).astype(np.uint8)
    Image.fromarray(clean).save(tmp_path / "set12" / "01.png")
    taken = acquire(fluorescence((64, 80), seed=2), gain=0.5, offset=5, seed=2)
    for name in ("fmd", "w2s"):
        tifffile.imwrite(tmp_path / name / "noisy" / "a.tif", taken.noisy)
        tifffile.imwrite(tmp_path / name / "clean" / "a.tif", taken.truth)
    lines = []
    scores = score(tiny, tmp_path, device="cpu", report=lines.append)
    assert len(lines) == len(scores) == 5
    for sigma, found in zip((15, 25, 50), scores, strict=False):
        assert found.noisy == pytest.approx(20 * np.log10(255 / sigma), abs=0.15)
    assert scores[3].noisy == pytest.approx(psnr(taken.truth, taken.noisy, 255), abs=0.01)
    assert scores[4].noisy > 10
    assert all(found.denoised != found.noisy for found in scores)


def test_a_folder_without_sets_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="none of the folders"):
        score(tiny, tmp_path)
