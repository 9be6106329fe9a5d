"""Packages of other authors give in every way of running what their description says."""

import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from onnx import helper
from scipy.ndimage import uniform_filter

from napari_clip_denoise import denoise, denoise_to_zarr, load
from napari_clip_denoise.errors import DeviceError, InputError
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence
from stores import files_of
from zoo_packages import (
    BATCH,
    CHANNEL,
    SIDE,
    box,
    box_onnx,
    box_torchscript,
    like,
    space,
)

HERE = Path(__file__).parent.parent
EDGE = SIDE // 2
MEASURED = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}


@pytest.fixture(scope="module")
def image():
    """Two smooth planes (210, 180), float32, without a pixel that could be a hot one."""
    clean = fluorescence((2, 210, 180), seed=5)
    noise = np.random.default_rng(0).uniform(-5, 5, clean.shape)
    return (200 + 800 * clean / clean.max() + noise).astype(np.float32)


@pytest.fixture
def package(tmp_path):
    """The box, whose input is normalized by its mean and standard deviation."""
    return box(tmp_path / "box.zip", pre=[MEASURED])


def boxed(image, outside=0.0):
    """Return the means of 5x5 pixels; beyond the edges of a plane is `outside`."""
    exact = image.astype(np.float64)
    return np.stack([uniform_filter(p, SIDE, mode="constant", cval=outside) for p in exact])


def run(image, package, **options):
    return denoise(image, package, device="cpu", check=False, **options)


PROCESSING = {
    "nothing": ((), (), 0.0),
    "scale_linear there and back": (
        [{"id": "scale_linear", "kwargs": {"gain": 0.001, "offset": -0.1}}],
        [{"id": "scale_linear", "kwargs": {"gain": 1000.0, "offset": 100.0}}],
        100.0,
    ),
    "fixed there and back": (
        [{"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 300.0, "std": 50.0}}],
        [{"id": "scale_linear", "kwargs": {"gain": 50.0, "offset": 300.0}}],
        300.0,
    ),
    "fixed, not back": (
        [{"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 300.0, "std": 50.0}}],
        [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}],
        300.0,
    ),
    "two scales": (
        [
            {"id": "scale_linear", "kwargs": {"gain": 0.5}},
            {"id": "scale_linear", "kwargs": {"gain": 0.5, "offset": -50.0}},
        ],
        (),
        200.0,
    ),
}


@pytest.mark.parametrize("name", PROCESSING)
def test_fixed_processing_gives_what_the_network_gives_of_it(image, tmp_path, name):
    pre, post, outside = PROCESSING[name]
    result = run(image, box(tmp_path / "a.zip", pre=pre, post=post))
    expected = boxed(image, outside)
    assert np.abs(expected - image).mean() > 2
    np.testing.assert_allclose(result, expected, atol=1e-3)


@pytest.mark.parametrize("axes", [["channel", "y", "x"], ["batch", "channel", "y", "x"], None])
@pytest.mark.parametrize("name", ["scale_range", "zero_mean_unit_variance"])
def test_what_is_measured_is_that_of_the_whole_image(image, tmp_path, name, axes):
    kwargs = {} if axes is None else {"axes": axes}
    if name == "scale_range":
        kwargs |= {"min_percentile": 5.0, "max_percentile": 95.0}
        outside = np.percentile(image, 5)
    else:
        outside = image.mean(dtype=float)
    package = box(tmp_path / "a.zip", pre=[{"id": name, "kwargs": kwargs}])
    np.testing.assert_allclose(run(image, package), boxed(image, outside), atol=1e-3)


def test_channels_are_measured_one_by_one(image, package):
    both = np.stack([image[0], 10 * image[1] + 3000])
    result = run(both, package, axes="cyx")
    for plane, expected in zip(result, both, strict=True):
        outside = expected.mean(dtype=float)
        np.testing.assert_allclose(plane, boxed(expected[None], outside)[0], atol=1e-2)


def test_clips_apply_before_and_after_the_network(image, tmp_path):
    scale = {"id": "scale_linear", "kwargs": {"gain": 0.001}}
    back = {"id": "scale_linear", "kwargs": {"gain": 1000.0}}
    raw_clip = {"id": "clip", "kwargs": {"max": 600.0}}
    after = {"id": "clip", "kwargs": {"min": 250.0}}
    clipped = box(tmp_path / "a.zip", pre=[raw_clip, scale], post=[back, after])
    expected = boxed(image.clip(None, 600)).clip(250, None)
    assert np.abs(expected - boxed(image)).max() > 50
    np.testing.assert_allclose(run(image, clipped), expected, atol=1e-3)


def test_a_sigmoid_is_calculated(tmp_path):
    image = np.linspace(-3, 3, 64 * 64, dtype=np.float32).reshape(64, 64)
    package = box(tmp_path / "a.zip", post=[{"id": "sigmoid"}])
    expected = 1 / (1 + np.exp(-boxed(image[None])[0]))
    np.testing.assert_allclose(run(image, package), expected, atol=1e-5)


def test_tiles_give_the_whole_plane(image, package):
    whole, tiled = run(image, package), run(image, package, tile=96)
    assert np.abs(whole - image).mean() > 2
    np.testing.assert_allclose(tiled, whole, atol=1e-5 * np.ptp(image))
    inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
    np.testing.assert_allclose(tiled[inside], boxed(image)[inside], atol=1e-5 * np.ptp(image))


@pytest.mark.parametrize("sizes", [({"min": 20, "step": 7},) * 2, ({"min": 33, "step": 40}, 96)])
def test_sizes_that_the_network_takes_are_kept(image, tmp_path, sizes):
    axes = {"sizes": sizes, "pre": [MEASURED]}
    seen = []
    package = box(tmp_path / "a.zip", **axes)
    model = load(package)
    forward = model.for_inference

    def watched(device, threads):
        network = forward(device, threads)
        network.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[-2:]))
        return network

    object.__setattr__(model, "for_inference", watched)
    tiled = run(image, model, tile=160, batch=1)
    assert len(seen) > 2
    for allowed, lengths in zip(sizes, zip(*seen, strict=True), strict=True):
        if isinstance(allowed, int):
            assert set(lengths) == {allowed}
        else:
            assert {(n - allowed["min"]) % allowed["step"] for n in lengths} == {0}
    inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
    np.testing.assert_allclose(tiled[inside], boxed(image)[inside], atol=1e-5 * np.ptp(image))


def test_a_small_plane_is_padded_to_the_smallest_size(image, tmp_path):
    package = box(tmp_path / "a.zip", sizes=({"min": 256, "step": 16},) * 2)
    result = run(image, package)
    inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
    np.testing.assert_allclose(result[inside], boxed(image)[inside], atol=1e-3)


def test_a_network_that_loses_the_edges_gets_mirrored_ones(image, tmp_path):
    result = [BATCH, CHANNEL, like("y", -4), like("x", -4)]
    package = box(tmp_path / "a.zip", box_onnx(valid=True), result=result)
    expected = np.stack([uniform_filter(p.astype(float), SIDE, mode="mirror") for p in image])
    assert load(package).card.halo == EDGE
    np.testing.assert_allclose(run(image, package), expected, atol=1e-3)
    np.testing.assert_allclose(run(image, package, tile=96), expected, atol=1e-3)


def test_other_orders_of_axes_and_single_images_do(image, package, tmp_path):
    transposed = helper.make_node("Transpose", ["mean"], ["turned"], perm=[0, 2, 3, 1])
    content = box_onnx(batch=1, extra=[transposed])
    result = [BATCH, like("y"), like("x"), CHANNEL]
    turned = box(tmp_path / "a.zip", content, result=result, pre=[MEASURED])
    np.testing.assert_array_equal(run(image, turned, batch=2), run(image, package))
    squeezed = helper.make_node("Squeeze", ["mean"], ["flat"])
    content = box_onnx(batch=1, extra=[squeezed])
    flat = box(
        tmp_path / "b.zip",
        content,
        given=[BATCH | {"size": 1}, CHANNEL, space("y", {"min": 8, "step": 1}), space("x", 64)],
        result=[like("y"), like("x")],
        pre=[MEASURED],
    )
    assert load(flat).card.foreign.output_axes == "yx"


def test_a_dask_array_stays_lazy_and_gives_the_same(image, package):
    lazy = denoise(da.from_array(image, chunks=(1, 64, 64)), package, device="cpu")
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy.compute(), run(image, package), rtol=1e-6)


def test_a_zarr_is_denoised_to_a_zarr(image, package, tmp_path):
    source = zarr.create_array(tmp_path / "in.zarr", data=image, chunks=(1, 64, 64))
    store = denoise_to_zarr(source, tmp_path / "a.ome.zarr", package, axes="zyx", device="cpu")
    written = zarr.open_group(store)["0"][:]
    np.testing.assert_array_equal(written, run(image, package))
    record = dict(zarr.open_group(store).attrs)
    assert load(package).sha256 in str(record)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_killed_runs_of_a_package_end_with_the_bytes_of_one_that_was_not(tmp_path, package):
    folder = tmp_path / "runs"
    folder.mkdir()
    command = [sys.executable, HERE / "killed_runs.py", package, folder, "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills, resumed, _ = map(int, done.stdout.split()[-3:])
    assert kills == 3
    assert resumed
    whole, killed = (files_of(folder / f"{name}.ome.zarr") for name in ("whole", "killed"))
    assert len(whole) > 20
    assert killed == whole


@pytest.mark.parametrize("sizes", [{"min": 8, "step": 1}, {"min": 32, "step": 16}, 128])
def test_a_preview_is_that_part_of_the_run(image, tmp_path, sizes):
    package = box(tmp_path / "a.zip", pre=[MEASURED], sizes=(sizes, sizes))
    whole = run(image, package)
    settings = make_settings(model=str(package), device="cpu")
    for rows, columns in (((0, 210), (0, 180)), ((40, 90), (100, 180)), ((150, 210), (3, 9))):
        region = (slice(1, 2), slice(*rows), slice(*columns))
        made = PreviewMaker()(View(as_stack(image), region, settings), CancelToken())
        expected = whole[1:2, slice(*rows), slice(*columns)]
        np.testing.assert_allclose(made.pixels(1.0), expected, atol=1e-5 * np.ptp(image))


def test_strength_types_missing_values_and_the_ensemble_work_as_ever(image, package):
    full, half = run(image, package), run(image, package, strength=0.5)
    np.testing.assert_allclose(half, (image + full) / 2, atol=1e-3)
    np.testing.assert_array_equal(run(image, package, strength=0.0), image)
    np.testing.assert_allclose(run(image, package, self_ensemble=True), full, atol=1e-3)
    whole = image.round().astype(np.uint16)
    assert run(whole, package).dtype == np.uint16
    broken = image.copy()
    broken[0, 5, 6] = np.nan
    assert (np.isnan(run(broken, package)) == np.isnan(broken)).all()


def test_torchscript_gives_the_same_as_onnx(image, package, tmp_path):
    script = box(
        tmp_path / "a.zip",
        box_torchscript(tmp_path),
        kind="torchscript",
        weights="net.pt",
        pre=[MEASURED],
    )
    result = run(image, load(script, trust=True))
    np.testing.assert_allclose(result, run(image, package), atol=1e-3)


def test_settings_that_a_package_cannot_have_are_refused(image, package, tmp_path):
    with pytest.raises(InputError, match="brings its own intensity mapping"):
        run(image, package, intensity="minmax")
    with pytest.raises(InputError, match="cannot be told the noise level"):
        run(image, package, noise_level=5.0)
    with pytest.raises(InputError, match="cannot use neighbouring planes"):
        run(image, package, context=1)
    with pytest.raises(InputError, match="sees hot pixels as they are"):
        run(image, package, hot_pixels="replace")
    with pytest.raises(DeviceError, match="float32; set precision"):
        run(image, package, precision="bfloat16")
    with pytest.raises(DeviceError, match="runs on the CPU; set device"):
        denoise(image, package, device="mps")
    oblong = box(tmp_path / "b.zip", sizes=({"min": 8, "step": 1}, 64))
    with pytest.raises(InputError, match="cannot denoise rotated tiles"):
        run(image, oblong, self_ensemble=True)


def test_a_network_of_a_single_small_size_is_refused_for_large_planes(image, tmp_path):
    package = box(tmp_path / "a.zip", sizes=(64, 64))
    with pytest.raises(InputError, match="takes tiles of 64 pixels, which are too small"):
        run(image, package)
    part = image[:, :60, :64]
    inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
    np.testing.assert_allclose(run(part, package)[inside], boxed(part)[inside], atol=1e-3)


def test_a_network_that_looks_at_the_whole_image_is_told(tmp_path):
    image = acquire(fluorescence((400, 330), seed=5), seed=5).noisy
    mean = helper.make_node("GlobalAveragePool", ["mean"], ["all"])
    total = helper.make_node("Add", ["mean", "all"], ["sum"])
    package = box(tmp_path / "a.zip", box_onnx(extra=[mean, total]), pre=[MEASURED])
    model = load(package)
    with pytest.warns(UserWarning, match="the result of a tile depends on its size; give a tile"):
        denoise(image, model, device="cpu", tile=320, check=False)
