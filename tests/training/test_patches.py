import numpy as np
import pytest

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import estimate_mapping
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.training.data.patch_pool import PatchPool
from napari_clip_denoise.training.data.patches import PatchSource


def numbered(shape):
    """An image whose pixels all differ, as a field without a mapping."""
    return PatchSource(as_stack(np.arange(np.prod(shape), dtype=np.float64).reshape(shape)), None)


def pixels(patches):
    return set(np.unique(patches).astype(int).tolist())


@pytest.mark.parametrize(
    "shapes",
    [[(160, 128)], [(64, 96), (200, 130)], [(5, 70, 64)], [(3, 40, 40)] * 4, [(40, 40)] * 11],
    ids=["one", "two", "stack", "small stacks", "small images"],
)
def test_held_out_patches_share_no_pixel_with_those_trained_on(shapes):
    offset, fields = 0, []
    for shape in shapes:
        field = numbered(shape)
        field.stack.array[:] += offset
        offset += np.prod(shape)
        fields.append(field)
    patch = 32 if len(shapes) < 4 else 40
    pool = PatchPool(fields, patch, 1, seed=3)
    pool._empty_below = 0
    held_out, numbers = pool.held_out(50)
    held_out = held_out.first
    trained = [pool.batch(step, range(8), allow_rot90=True)[0].first for step in range(30)]
    assert held_out.shape == (50, 1, patch, patch)
    assert set(numbers) <= set(range(len(fields)))
    assert not pixels(held_out) & pixels(np.stack(trained))
    assert len(pixels(np.stack(trained))) > 0.3 * offset


def test_the_same_step_draws_the_same_patches_whoever_shares_them():
    pool = PatchPool([numbered((200, 200))], 32, 1, seed=0)
    together = pool.batch(5, range(4), allow_rot90=True)[0].first
    shares = [pool.batch(5, range(rank, 4, 2), allow_rot90=True)[0].first for rank in range(2)]
    np.testing.assert_array_equal(together[::2], shares[0])
    np.testing.assert_array_equal(together[1::2], shares[1])
    assert not np.array_equal(together, pool.batch(6, range(4), allow_rot90=True)[0].first)


def test_noise_with_a_direction_keeps_it():
    pool = PatchPool([numbered((200, 200))], 32, 1, seed=0)
    first = pool.batch(0, range(20), allow_rot90=False)[0].first
    assert (np.abs(np.diff(first, axis=-1)) == 1).all()
    turned = pool.batch(0, range(20), allow_rot90=True)[0].first
    assert (np.abs(np.diff(turned, axis=-1)) == 200).any()


def test_empty_background_is_drawn_less():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 0.01, (256, 1024))
    image[:, 768:] += np.repeat(np.repeat(rng.random((32, 32)), 8, 0), 8, 1)
    pool = PatchPool([PatchSource(as_stack(image), None)], 32, 1, seed=0)
    drawn = np.concatenate(
        [pool.batch(step, range(8), allow_rot90=True)[0].first for step in range(30)]
    )
    holding = (drawn.std(axis=(1, 2, 3)) > 0.1).mean()
    assert holding > 0.6


def test_patches_of_a_huge_stack_are_read_alone():
    read = []

    class Huge:
        shape, dtype, ndim = (10_000, 4096, 4096), np.dtype(np.float32), 3

        def __getitem__(self, index):
            shape = [part.stop - part.start for part in index]
            read.append(np.prod(shape))
            return np.random.default_rng(len(read)).random(shape, np.float32)

    pool = PatchPool([PatchSource(as_stack(Huge()), None)], 64, 1, seed=0)
    pool.batch(0, range(4), allow_rot90=True)
    assert set(read) == {64 * 64}


def test_values_are_mapped_as_in_a_run():
    rng = np.random.default_rng(0)
    raw = rng.poisson(np.linspace(5, 200, 128)[:, None] * np.ones((128, 128))) * 3 + 100
    stack = as_stack(np.stack([raw, 2 * raw]).astype(np.uint16), "cyx")
    mapping = estimate_mapping(stack, "anscombe")
    assert mapping.channels[0].anscombe is not None
    field = PatchSource(stack, mapping)
    window = (slice(0, 64), slice(64, 128))
    for channel in range(2):
        patch, same = field.read(channel, window, 1, rng)
        expected = mapping.channel(channel).normalize(stack.array[(channel, *window)])
        np.testing.assert_array_equal(patch[0], expected)
        np.testing.assert_array_equal(same, patch)


def test_repeats_are_two_different_ones():
    stack = as_stack(np.arange(3 * 2 * 64 * 64, dtype=float).reshape(3, 2, 64, 64), "tzyx")
    field = PatchSource(stack, None, repeat_axis="t")
    assert field.n_planes == 2
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(30):
        first, second = field.read(1, (slice(0, 32), slice(0, 32)), 1, rng)
        times = [int(side[0, 0, 0]) // (2 * 64 * 64) for side in (first, second)]
        assert all(int(side[0, 0, 0]) % (2 * 64 * 64) == 64 * 64 for side in (first, second))
        seen.add(tuple(times))
    assert seen == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_rgb_gives_all_samples_or_a_random_one():
    image = np.arange(64 * 64 * 4, dtype=np.uint16).reshape(64, 64, 4)
    field = PatchSource(as_stack(image, "yxs"), None)
    rng, window = np.random.default_rng(0), (slice(0, 8), slice(0, 8))
    assert field.read(0, window, 3, rng)[0].shape == (3, 8, 8)
    samples = {int(field.read(0, window, 1, rng)[0][0, 0, 0]) for _ in range(30)}
    assert samples == {0, 1, 2}


@pytest.mark.parametrize(
    ("shape", "patch", "message"),
    [
        ((64, 64), 96, "less than a patch of 96"),
        ((64, 64), 32, "too few to learn from"),
        ((100, 200), 64, "too few to learn from"),
    ],
)
def test_images_that_are_too_small_are_refused(shape, patch, message):
    with pytest.raises(InputError, match=message):
        PatchPool([numbered(shape)], patch, 1, seed=0)


def test_patches_with_nan_are_left_out():
    image = np.random.default_rng(0).random((256, 256))
    image[:, 100] = np.nan
    pool = PatchPool([PatchSource(as_stack(image), None)], 64, 1, seed=0)
    assert np.isfinite(pool.batch(0, range(30), allow_rot90=True)[0].first).all()
    image[:, ::50] = np.nan
    with pytest.raises(InputError, match="fill the NaN"):
        PatchPool([PatchSource(as_stack(image), None)], 64, 1, seed=0)
