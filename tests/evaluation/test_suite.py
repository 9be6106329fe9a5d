import numpy as np
import pytest
from PIL import Image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.evaluation.scores.datasets import conditions
from napari_clip_denoise.evaluation.scores.noises import NOISES


def noisy_psnr(folder, noise):
    """PSNR of the input of the only image, and the image."""
    (row,) = conditions("paper", [folder], noises=[noise])
    (image,) = row.images()
    return psnr(image.truth, image.noisy, 1.0), image


@pytest.fixture(scope="module", params=["grey", "rgb"])
def folder(request, tmp_path_factory):
    shape = (1024, 1024) if request.param == "grey" else (600, 600, 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    folder = tmp_path_factory.mktemp(request.param)
    Image.fromarray(pixels).save(folder / "random.png")
    return folder


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_gaussian_noise_agrees_with_theory(folder, sigma):
    found, image = noisy_psnr(folder, f"gaussian-{sigma}")
    assert found == pytest.approx(20 * np.log10(255 / sigma), abs=0.05)
    assert image.noisy.min() < 0


@pytest.mark.parametrize("sigma", [40, 45, 50, 55])
def test_spatially_correlated_noise_agrees_with_theory(folder, sigma):
    found, image = noisy_psnr(folder, f"spatial-{sigma}")
    side = image.truth.shape[0]
    one_axis = ((side - 2) / 3 + 2 * 5 / 9) / side
    assert found == pytest.approx(20 * np.log10(255 / sigma / one_axis), abs=0.05)
    if image.rgb:
        noise = image.noisy - image.truth
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_impulses_and_speckle_agree_with_theory(folder):
    found, image = noisy_psnr(folder, "salt-pepper-0.02")
    squared = 0.01 * np.mean(image.truth**2 + (1 - image.truth) ** 2)
    assert found == pytest.approx(-10 * np.log10(squared), abs=0.05)
    found, image = noisy_psnr(folder, "speckle-0.04")
    assert found == pytest.approx(-10 * np.log10(0.04 * np.mean(image.truth**2)), abs=0.05)


def test_every_image_gets_the_same_noise_each_time(folder):
    first, second = (noisy_psnr(folder, "poisson-2")[1].noisy for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_rows_are_chosen_by_kind_and_number(folder):
    chosen = conditions("paper", [folder], noises=["poisson", "gaussian-25"])
    assert [row.noise for row in chosen] == [
        "gaussian-25", "poisson-2", "poisson-2.5", "poisson-3", "poisson-3.5",
    ]  # fmt: skip
    assert [row.noise for row in conditions("paper", [folder])] == list(NOISES)


def pairs(folder, names, shape=(20, 24)):
    for side in ("noisy", "clean"):
        (folder / side).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros(shape, np.uint8)).save(folder / side / name)
    return folder


def test_few_real_pairs_get_a_row_each(tmp_path):
    few = conditions("real", [pairs(tmp_path / "few", ["a.png", "b.png"])])
    assert [row.data for row in few] == ["few a", "few b"]
    many = conditions("real", [pairs(tmp_path / "many", [f"{i}.png" for i in range(5)])])
    assert [row.data for row in many] == ["many"]
    assert len(many[0].files) == 5
    assert many[0].protocol.data_range == 255


def test_volumes_of_ct_are_paired(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    volume = np.random.default_rng(0).integers(-1000, 1000, (12, 10, 3)).astype(np.int16)
    for side in ("noisy", "clean"):
        (tmp_path / side).mkdir()
        image = nibabel.Nifti1Image(volume, np.eye(4))
        nibabel.save(image, tmp_path / side / "a.nii.gz")
    (row,) = conditions("ct", [tmp_path])
    (image,) = row.images()
    assert sorted(image.truth.shape) == [3, 10, 12]
    np.testing.assert_array_equal(np.sort(image.truth.ravel()), np.sort(volume.ravel()))
    assert row.intensity == "window"


def test_what_cannot_be_scored_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="no suite 'all'"):
        conditions("all", [folder])
    with pytest.raises(InputError, match="No folder"):
        conditions("paper", [])
    with pytest.raises(InputError, match="There is no folder"):
        conditions("paper", [tmp_path / "missing"])
    with pytest.raises(InputError, match="No image was found"):
        conditions("paper", [tmp_path])
    with pytest.raises(InputError, match="no noise 'rain'"):
        conditions("paper", [folder], noises=["rain"])
    with pytest.raises(InputError, match="own noise"):
        conditions("ct", [folder], noises=["poisson"])
    with pytest.raises(InputError, match="no folders noisy and clean"):
        conditions("real", [folder])
    alone = pairs(tmp_path / "alone", ["a.png"])
    (alone / "noisy" / "a.png").unlink()
    with pytest.raises(InputError, match=r"holds no a\.png"):
        conditions("real", [alone])
    other = pairs(tmp_path / "other", ["a.png"])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(other / "noisy" / "a.png")
    with pytest.raises(InputError, match="other sizes"):
        list(conditions("real", [other])[0].images())
    (tmp_path / "floats").mkdir()
    np.save(tmp_path / "floats" / "a.npy", np.full((20, 20), 3.0))
    with pytest.raises(InputError, match="outside"):
        list(conditions("paper", [tmp_path / "floats"])[0].images())
