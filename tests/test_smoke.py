"""Whether an installation works, in a minute: with the lowest versions, the newest, no napari."""

import subprocess
import sys
from importlib.util import find_spec

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_clip_denoise import __version__, denoise, denoise_to_zarr
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def taken():
    """A noisy stack (3, 96, 128), uint16, and its truth."""
    return acquire(fluorescence((3, 96, 128), seed=0), seed=0)


def rms(values, truth):
    return np.sqrt(np.mean(np.square(np.asarray(values, float) - truth)))


def run(*arguments, folder=None):
    command = [sys.executable, "-m", "napari_clip_denoise", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_array_is_denoised(taken):
    clean = denoise(taken.noisy, device="cpu")
    assert clean.dtype == np.uint16
    assert rms(clean, taken.truth) < 0.5 * rms(taken.noisy, taken.truth)


def test_a_dask_array_is_denoised_lazily(taken):
    lazy = denoise(da.from_array(taken.noisy, chunks=(1, 96, 128)), device="cpu")
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy.compute(), denoise(taken.noisy, device="cpu"), atol=2)


def test_a_store_is_written_from_python(taken, tmp_path):
    path = denoise_to_zarr(taken.noisy, tmp_path / "a.ome.zarr", axes="zyx", device="cpu")
    group = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["0"][:], denoise(taken.noisy, device="cpu"))
    assert group["0"].shards is not None
    assert [axis["name"] for axis in group.attrs["ome"]["multiscales"][0]["axes"]] == [*"zyx"]


def test_the_command_line_denoises_a_tiff_to_a_store(taken, tmp_path):
    assert run("--version").strip() == __version__
    tifffile.imwrite(
        tmp_path / "a.ome.tif", taken.noisy, metadata={"axes": "ZYX"}, compression="zlib"
    )
    settings = ("--device", "cpu", "--threads", "1")
    said = run("denoise", "a.ome.tif", "b.ome.zarr", *settings, folder=tmp_path)
    assert "3 x 96 x 128 (zyx)" in said
    level = zarr.open_group(tmp_path / "b.ome.zarr", mode="r")["0"]
    np.testing.assert_array_equal(level[:], denoise(taken.noisy, device="cpu"))


def test_models_are_listed_and_the_machine_is_described():
    assert "compact" in run("models", "list")
    assert "models folder" in run("info")


def test_a_denoise_run_loads_no_window_and_no_plots():
    code = (
        "import sys, numpy, napari_clip_denoise as n; n.denoise(numpy.ones((32, 32)), device='cpu')"
        "; print([m for m in ('napari', 'qtpy', 'magicgui', 'matplotlib', 'lightning_fabric', "
        "'open_clip', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not find_spec("napari"), reason="needs napari")
def test_the_window_denoises_a_layer(taken, make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise")
    viewer.add_image(taken.noisy, name="noisy")
    widget.form.device.value = "cpu"
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=120_000)
    assert len(viewer.layers) == 2
    np.testing.assert_array_equal(
        np.asarray(viewer.layers[1].data), denoise(taken.noisy, device="cpu")
    )
