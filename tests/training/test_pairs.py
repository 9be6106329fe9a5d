import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.training.data.pairs import check_pair
from napari_clip_denoise.training.data.sources import open_sources, pair_up


def scene(seed=0, size=160):
    rng = np.random.default_rng(seed)
    return 100 + 900 * gaussian_filter((rng.random((size, size)) > 0.99) * 10.0, 2)


def pair(noisy, other, **arguments):
    return check_pair(as_stack(noisy, name="n"), as_stack(other, name="c"), **arguments)


@pytest.fixture
def clean():
    return scene()


@pytest.fixture
def noisy(clean):
    return clean + np.random.default_rng(1).normal(0, 60, clean.shape)


def test_a_good_pair_passes(clean, noisy):
    assert pair(noisy, clean, clean=True).is_identity


def test_another_scale_is_matched(clean, noisy):
    line = pair(noisy, clean / 4 + 7, clean=True)
    np.testing.assert_allclose(line(clean / 4 + 7), clean, atol=12)


@pytest.mark.parametrize("shift", [(3, 0), (0, -5), (7, 4)])
@pytest.mark.parametrize("is_clean", [True, False])
def test_a_shift_is_reported(clean, noisy, shift, is_clean):
    moved = np.roll(clean, shift, (0, 1))
    if not is_clean:
        moved = moved + np.random.default_rng(2).normal(0, 60, clean.shape)
    with pytest.raises(InputError, match=rf"shifted .* \({shift[0]}, {shift[1]}\)"):
        pair(noisy, moved, clean=is_clean)


def test_a_swap_is_reported(clean, noisy):
    with pytest.raises(InputError, match="swapped"):
        pair(clean, noisy, clean=True)


def test_other_fields_are_reported(noisy):
    with pytest.raises(InputError, match="do not show the same field"):
        pair(noisy, scene(seed=9), clean=True)


def test_constant_images_are_reported(clean, noisy):
    for image in (np.ones_like(clean), np.full_like(clean, np.nan)):
        with pytest.raises(InputError, match="constant or have no finite value"):
            pair(noisy, image, clean=True)


def test_files_are_paired_by_name_or_by_order(tmp_path, clean):
    for folder, names in (("noisy", "abc"), ("clean", "cab"), ("other", "xyz")):
        (tmp_path / folder).mkdir()
        for name in names:
            np.save(tmp_path / folder / f"{name}.npy", clean)
    noisy, same, other = (open_sources(tmp_path / f) for f in ("noisy", "clean", "other"))
    assert [(a.name, b.name) for a, b in pair_up(noisy, same[::-1], "clean")] == [
        ("a", "a"), ("b", "b"), ("c", "c")
    ]  # fmt: skip
    assert [b.name for _, b in pair_up(noisy, other, "clean")] == ["x", "y", "z"]
    with pytest.raises(InputError, match="3 noisy and 2 clean images"):
        pair_up(noisy, same[:2], "clean")


def test_pairs_of_different_size_are_reported(clean):
    with pytest.raises(InputError, match=r"160 x 160, but its clean image .* has 160 x 159"):
        pair_up(open_sources(clean), open_sources(clean[:, 1:]), "clean")


def test_folders_without_images_are_reported(tmp_path):
    with pytest.raises(InputError, match="No image was found"):
        open_sources(tmp_path)
