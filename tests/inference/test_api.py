import errno
import gc
import subprocess
import sys
import threading
import warnings
import weakref

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise import denoise, denoise_to_zarr, load
from napari_clip_denoise.errors import Cancelled, DeviceError, InputError, OutputError
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference import dask_array as lazy
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def acquisition():
    return acquire(fluorescence((5, 90, 130), seed=4), seed=4)


@pytest.fixture(scope="module")
def stack(acquisition):
    return acquisition.noisy


@pytest.fixture(scope="module")
def rgb_model(tiny):
    config = DenoiserConfig(EncoderConfig((1, 1, 1), 8), 3, (32, 16, 16, 8, 8), False, True)
    card = tiny.card.model_copy(update={"network": config})
    return Model(card, Denoiser(config).eval())


def test_the_bundled_model_removes_noise(acquisition):
    result = denoise(acquisition.noisy, device="cpu")
    assert result.shape == acquisition.noisy.shape
    assert result.dtype == np.uint16
    gain = psnr(acquisition.truth, result) - psnr(acquisition.truth, acquisition.noisy)
    assert gain > 8


def test_rgb_images_get_their_own_model():
    image = fluorescence((3, 48, 48), seed=3).transpose(1, 2, 0)
    image = (255 * image.clip(0, 1)).astype(np.uint8)
    result = denoise(image, rgb=True, device="cpu")
    np.testing.assert_array_equal(result, denoise(image, "compact-rgb", rgb=True, device="cpu"))
    assert (result != denoise(image, "compact", rgb=True, device="cpu")).any()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f2", "f4", "f8"])
def test_the_type_is_kept(tiny, stack, dtype):
    source = (stack // 20).astype(dtype)
    result = denoise(source, tiny, device="cpu")
    assert result.dtype == source.dtype
    assert not np.array_equal(result, source)
    as_float = denoise(source, tiny, device="cpu", output_dtype="float32")
    assert as_float.dtype == np.float32
    np.testing.assert_allclose(result, as_float, atol=0.51 + 0.001 * float(np.ptp(source)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (17, 16), (31, 33)])
def test_small_and_odd_planes(tiny, shape):
    source = np.random.default_rng(0).random(shape, np.float32)
    result = denoise(source, tiny, device="cpu", intensity=(0, 1))
    assert result.shape == shape
    assert np.isfinite(result).all()


def test_strength_goes_from_the_input_to_the_result(tiny, stack):
    source = stack.astype(np.float32)
    full = denoise(source, tiny, device="cpu")
    half = denoise(source, tiny, device="cpu", strength=0.5)
    np.testing.assert_array_equal(denoise(source, tiny, device="cpu", strength=0), source)
    np.testing.assert_allclose(half, (source + full) / 2, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.01, 1000), offset=st.floats(-1000, 1000))
def test_the_result_follows_gain_and_offset_of_the_input(tiny, gain, offset):
    source = np.random.default_rng(0).random((40, 50))
    expected = gain * denoise(source, tiny, device="cpu") + offset
    result = denoise(gain * source + offset, tiny, device="cpu")
    np.testing.assert_allclose(result, expected, atol=1e-4 * gain + 1e-6 * abs(offset))


def test_missing_values_stay_and_do_not_spread(tiny, stack):
    source = stack.astype(np.float32)
    damaged = source.copy()
    damaged[1, 40, 50] = np.nan
    damaged[2, 10, 10] = np.inf
    pair = (float(source.min()), float(source.max()))
    clean = denoise(source, tiny, device="cpu", intensity=pair)
    result = denoise(damaged, tiny, device="cpu", intensity=pair)
    assert np.isnan(result[1, 40, 50])
    assert result[2, 10, 10] == np.inf
    assert np.isfinite(result).sum() == result.size - 2
    np.testing.assert_array_equal(result[[0, 3, 4]], clean[[0, 3, 4]])
    far = np.abs(np.arange(130) - 50) > 100
    np.testing.assert_array_equal(result[1][:, far], clean[1][:, far])


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_constant_planes_come_back_unchanged(tiny, stack, dtype):
    source = stack.astype(dtype)
    source[2] = 777
    result = denoise(source, tiny, device="cpu")
    np.testing.assert_array_equal(result[2], source[2])
    constant = np.full((2, 40, 40), 3, dtype)
    np.testing.assert_array_equal(denoise(constant, tiny, device="cpu"), constant)


def test_planes_of_a_stack_share_one_mapping(tiny, stack):
    pair = tuple(np.percentile(stack, (1, 99)).tolist())
    expected = [denoise(plane, tiny, device="cpu", intensity=pair) for plane in stack]
    np.testing.assert_allclose(
        denoise(stack, tiny, device="cpu", intensity="percentile").astype(int),
        np.array(expected).astype(int),
        atol=1,
    )


def test_shot_noise_is_stabilised_and_undone(tiny):
    taken = acquire(fluorescence((3, 96, 96), seed=3), photons=30)
    taken.noisy[1] = 777
    settings = {"device": "cpu", "intensity": "anscombe"}
    job = prepare(as_stack(taken.noisy), tiny, make_settings(**settings))
    assert job.mapping.channels[0].anscombe is not None
    result = denoise(taken.noisy, tiny, **settings)
    assert not np.array_equal(result[0], taken.noisy[0])
    np.testing.assert_array_equal(result[1], taken.noisy[1])
    np.testing.assert_array_equal(denoise(taken.noisy, tiny, strength=0, **settings), taken.noisy)
    lazy = denoise(da.from_array(taken.noisy, chunks=(1, 50, 96)), tiny, **settings)
    np.testing.assert_allclose(lazy.compute().astype(int), result.astype(int), atol=1)


def test_channels_have_a_mapping_each(tiny, stack):
    both = np.stack([stack, stack // 7], axis=1)
    result = denoise(both, tiny, axes="zcyx", device="cpu")
    for channel in range(2):
        alone = denoise(both[:, channel], tiny, axes="zyx", device="cpu")
        np.testing.assert_allclose(result[:, channel].astype(int), alone.astype(int), atol=1)


def test_a_model_for_rgb_warns_of_grey_images_and_of_no_others():
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    with pytest.warns(UserWarning, match="'compact-rgb' is for RGB images .* choose 'compact'"):
        denoise(image[..., 0], "compact-rgb", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        denoise(image, "compact-rgb", rgb=True, device="cpu")


def test_a_grey_model_takes_the_samples_of_rgb_one_by_one(tiny):
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 4), np.uint8)
    result = denoise(image, tiny, axes="yxs", device="cpu", intensity="dtype")
    for sample in range(3):
        alone = denoise(image[..., sample], tiny, device="cpu", intensity="dtype")
        np.testing.assert_allclose(result[..., sample].astype(int), alone.astype(int), atol=1)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])


def test_an_rgb_model_takes_grey_planes(rgb_model, stack):
    thrice = np.repeat(stack[0, ..., None], 3, axis=-1).astype(np.float32)
    pair = (0.0, 4000.0)
    colour = denoise(thrice, rgb_model, axes="yxs", device="cpu", intensity=pair)
    grey = denoise(stack[0].astype(np.float32), rgb_model, device="cpu", intensity=pair)
    np.testing.assert_allclose(grey, colour.mean(axis=-1), rtol=1e-4, atol=1e-3)
    assert not np.allclose(colour[..., 0], colour[..., 1])


@pytest.mark.parametrize("limit", [2**26, 100], ids=["whole planes", "pieces"])
def test_dask_is_lazy_and_gives_the_same(tiny, stack, monkeypatch, limit):
    monkeypatch.setattr(lazy, "WHOLE_PLANE_PIXELS", limit)
    monkeypatch.setattr(lazy, "BLOCK_SIDE", 64)
    reads = []

    def count(block):
        reads.append(block.shape)
        return block

    both = np.stack([stack, stack // 7])
    source = da.from_array(both, chunks=(1, 2, 50, 70)).map_blocks(count, dtype=both.dtype)
    result = denoise(source, tiny, axes="czyx", device="cpu")
    n_sampled = len(reads)
    assert isinstance(result, da.Array)
    assert (result.shape, result.dtype) == (both.shape, both.dtype)
    assert len(reads) == n_sampled
    expected = denoise(both, tiny, axes="czyx", device="cpu")
    np.testing.assert_allclose(result[1, 3].compute().astype(int), expected[1, 3], atol=1)
    np.testing.assert_allclose(result.compute().astype(int), expected, atol=1)


def test_a_zarr_array_is_read_by_plain_slicing(tiny, stack):
    source = zarr.create_array({}, data=stack, chunks=(1, 64, 64))
    np.testing.assert_array_equal(
        denoise(source, tiny, device="cpu"), denoise(stack, tiny, device="cpu")
    )


def test_progress_ends_at_all_planes(tiny, stack):
    seen = []
    denoise(stack, tiny, device="cpu", batch=1, progress=seen.append)
    done = [p.done for p in seen]
    assert len(done) >= len(stack)
    assert done == sorted(done)
    assert done[-1] == pytest.approx(seen[-1].total) == len(stack)
    assert seen[-1].seconds_left == pytest.approx(0)
    assert seen[1].seconds_left > 0


def test_a_cancelled_run_stops_within_a_plane(tiny):
    source = np.random.default_rng(0).random((400, 256, 256), np.float32)
    cancel = CancelToken()
    seen = []

    def stop(progress):
        seen.append(progress)
        threading.Thread(target=cancel.cancel).start()

    with pytest.raises(Cancelled):
        denoise(source, tiny, device="cpu", batch=1, progress=stop, cancel=cancel)
    assert seen[-1].done < 200


def test_a_cancel_acts_inside_the_network(tiny):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        denoise(np.random.default_rng(0).random((64, 64)), tiny, device="cpu", cancel=cancel)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"strength": 2}, "strength=2 is wrong"),
        ({"intensity": (5.0, 5.0)}, "range 5 to 5 is not usable"),
        ({"intensity": "best"}, "intensity='best' is wrong"),
        ({"tile": 100}, "tile=100 is wrong: input should be a multiple of 16"),
        ({"tile": 64}, "too small"),
        ({"output_dtype": "int99"}, "no data type"),
        ({"output_dtype": "complex64"}, "cannot be of type complex64"),
        ({"axes": "xtz"}, "do not name the plane"),
        ({"device": "tpu"}, "device='tpu' is wrong"),
    ],
)
def test_bad_settings_are_answered_in_one_sentence(tiny, stack, kwargs, message):
    with pytest.raises(InputError, match=message) as caught:
        denoise(stack, tiny, **({"device": "cpu"} | kwargs))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tiny, stack, tmp_path, monkeypatch, name):
    writer = create_writer(tmp_path / name, as_stack(stack), stack.dtype)

    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(writer), "write", fill)
    writer.abort()
    with pytest.raises(OutputError, match=r"No space left on device; make room"):
        denoise_to_file(as_stack(stack), tmp_path / name, make_settings(device="cpu"), model=tiny)
    assert not list(tmp_path.iterdir())


def test_a_store_gets_what_the_library_gives(tiny, stack, tmp_path):
    path = denoise_to_zarr(stack, tmp_path / "a.ome.zarr", tiny, device="cpu")
    stored = open_stack(path)
    np.testing.assert_array_equal(np.asarray(stored.array), denoise(stack, tiny, device="cpu"))
    with pytest.raises(InputError, match=r"should end in \.zarr"):
        denoise_to_zarr(stack, tmp_path / "a.tif", tiny)


def test_a_store_cancelled_half_way_does_not_pass_for_a_whole_one(tiny, tmp_path):
    source = np.random.default_rng(0).random((400, 200, 200), np.float32)
    cancel = CancelToken()
    seen = []

    def stop(progress):
        seen.append(list(tmp_path.iterdir()))
        if progress.done > progress.total / 4:
            cancel.cancel()

    with pytest.raises(Cancelled):
        denoise_to_zarr(
            source, tmp_path / "a.ome.zarr", tiny, device="cpu", progress=stop, cancel=cancel
        )
    assert all(path.name == ".a.ome.zarr.partial" for paths in seen for path in paths)
    assert seen[0]
    assert not list(tmp_path.iterdir())


def test_a_stack_without_finite_values_is_refused(tiny):
    with pytest.raises(InputError, match="no finite value"):
        denoise(np.full((40, 40), np.nan), tiny, device="cpu")


def test_a_device_that_is_not_there_is_named(tiny, stack, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match="'cuda' is not available here; choose auto or one of"):
        denoise(stack, tiny, device="cuda")


def test_a_model_that_nobody_holds_is_let_go_with_what_was_made_of_it(tiny_file):
    model = load(str(tiny_file))
    denoise(np.eye(40, 50, dtype=np.float32), model, device="cpu")
    held = weakref.ref(model)
    del model
    gc.collect()
    assert held() is None


def test_a_run_on_arrays_and_stores_loads_no_dask():
    code = (
        "import sys; from napari_clip_denoise.formats.ome_zarr import writer\n"
        "from napari_clip_denoise.inference import api\n"
        "print([m for m in ('dask', 'pandas', 'xarray') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
