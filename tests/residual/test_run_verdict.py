import numpy as np
import pytest

from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.residual.check import check_result
from napari_clip_denoise.residual.run_verdict import check_windows
from napari_clip_denoise.residual.windows import MOST_WINDOWS, WindowChoice

Y, X = np.mgrid[:64, :64]
SPOT = 3000 * np.exp(-((Y - 32) ** 2 + (X - 30) ** 2) / 18)


def taken(lost=()):
    """Planes with a spot in plane 20, and a result that halves it in the given planes."""
    truth = np.full((210, 64, 64), 102.0)
    truth[20] += SPOT
    noisy = (100 + np.random.default_rng(0).poisson(truth - 100)).astype(np.uint16)
    denoised = truth.copy()
    for plane in lost:
        denoised[plane] -= SPOT / 2
    return noisy, denoised


def chosen(noisy, denoised, regions=None, axes="zyx"):
    choice = WindowChoice(as_stack(noisy, axes), whole(noisy.shape), (8, 64, 64), "cpu")
    for region in regions or split(noisy.shape, (8, 64, 64)):
        choice.see(region, noisy[region], denoised[region])
    return choice.windows()


def test_the_one_plane_of_many_that_lost_its_spot_is_named():
    noisy, denoised = taken(lost=[20])
    verdict = check_windows(chosen(noisy, denoised), "zyx")
    assert verdict.is_flagged
    assert verdict.sentence == "Plane 20: structure was removed at 1 place; open Check result."
    assert [20, 0, 0] in [window["start"] for window in verdict.windows]


def test_five_planes_of_noise_are_said_to_be_that():
    verdict = check_windows(chosen(*taken()), "zyx")
    assert not verdict.is_flagged
    assert verdict.sentence == "Checked 5 planes: only noise was removed."
    assert len(verdict.windows) == MOST_WINDOWS


def test_the_order_of_the_regions_does_not_matter():
    noisy, denoised = taken(lost=[20, 3])
    regions = list(split(noisy.shape, (8, 64, 64)))
    found = [chosen(noisy, denoised, order) for order in (regions, regions[::-1])]
    assert check_windows(found[0], "zyx") == check_windows(found[1], "zyx")


def test_channels_are_checked_apart_and_named():
    noisy, denoised = taken(lost=[20])
    both = np.stack([noisy, (noisy - 100) * 9]), np.stack([denoised, (denoised - 100) * 9])
    choice = WindowChoice(as_stack(both[0], "czyx"), whole(both[0].shape), both[0].shape, "cpu")
    choice.see(whole(both[0].shape), *both)
    verdict = check_windows(choice.windows(), "czyx")
    assert verdict.sentence.startswith("Plane c ")
    assert ", z 20: structure was removed" in verdict.sentence


def test_an_image_too_small_to_check_has_a_reason():
    assert check_windows([], "yx").sentence == "Not checked: the image is too small."


@pytest.mark.parametrize("photons", [0.3, 1.0])
def test_a_mean_that_shifts_where_few_photons_are_flat_is_told(photons):
    truth = np.full((256, 256), photons)
    noisy = np.random.default_rng(0).poisson(truth).astype(np.float32)
    assert not check_result(noisy, truth).is_flagged
    report = check_result(noisy, 0.84 * truth)
    assert report.is_flagged
    assert report.findings.shift == pytest.approx(0.16, abs=0.02)
    assert "% of the light was removed" in report.verdict


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_texture_that_turned_grey_is_told(size):
    truth = np.where((np.add.outer(np.arange(128) // size, np.arange(128) // size)) % 2, 300.0, 100)
    noisy = np.random.default_rng(0).poisson(truth).astype(np.uint16)
    assert not check_result(noisy, truth).is_flagged
    report = check_result(noisy, np.full(truth.shape, 200.0))
    assert report.is_flagged
    assert "structure was removed across the image" in report.verdict


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1, 90), (2, 7, 300)])
def test_planes_smaller_than_a_block_do_not_stop_a_run(shape):
    noisy = np.random.default_rng(0).poisson(5, shape).astype(np.uint16)
    choice = WindowChoice(as_stack(noisy), whole(shape), shape, "cpu")
    choice.see(whole(shape), noisy, noisy)
    check_windows(choice.windows(), "zyx")
