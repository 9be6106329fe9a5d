import json
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
import tifffile
import torch

import reference
from napari_clip_denoise import denoise, load
from napari_clip_denoise.cli.options import read_run
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import Metadata, as_stack
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture
def source(tmp_path):
    noisy = acquire(fluorescence((3, 60, 70), seed=3), seed=3).noisy
    metadata = Metadata((0.5, 0.2, 0.2), (0.0,) * 3, ("micrometer",) * 3)
    stack = as_stack(noisy, "zyx", metadata=metadata)
    writer = create_writer(tmp_path / "noisy.ome.tif", stack, stack.dtype)
    writer.write(whole(stack.shape), noisy)
    return writer.finish()


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif", "out.tif", "out.npy"])
def test_the_command_gives_what_the_library_gives(cli, source, tiny_file, tmp_path, name):
    options = ("--model", tiny_file, "--device", "cpu", "--strength", 0.8, "--intensity", "0,4000")
    code, out, err = cli("denoise", source, tmp_path / name, *options)
    assert code == 0, err
    assert "planes: 3" in out
    assert "planes/s" in out
    noisy = open_stack(source)
    result = open_stack(tmp_path / name, "zyx")
    expected = denoise(noisy, tiny_file, device="cpu", strength=0.8, intensity=(0.0, 4000.0))
    np.testing.assert_array_equal(result.read(whole(result.shape)), expected)
    if ".ome." in name:
        assert result.metadata == noisy.metadata or result.metadata.scale == noisy.metadata.scale


def test_settings_travel_with_the_store(cli, source, tiny_file, tmp_path):
    import zarr

    cli("denoise", source, tmp_path / "a.ome.zarr", "--model", tiny_file, "--device", "cpu")
    own = zarr.open(tmp_path / "a.ome.zarr", mode="r").attrs["napari_clip_denoise"]
    assert own["settings"]["intensity"] == "anscombe"
    assert own["source"] == str(source)
    assert len(own["model_sha256"]) == 64


def test_shards_profile_and_plan(cli, source, tiny_file, tmp_path):
    options = ("--model", tiny_file, "--device", "cpu")
    path = tmp_path / "a.ome.zarr"
    code, out, err = cli("plan", source, path, *options)
    assert code == 0, err
    assert "planes: 3, regions: 1" in out
    assert "time    about" in out
    code, beside, err = cli("plan", source, *options, "--threads", 1)
    assert code == 0, err
    assert f"{source.parent / source.name.split('.')[0]}-denoised.ome.zarr (default)" in beside
    assert list(tmp_path.iterdir()) == [source]
    code, out, err = cli("denoise", source, path, *options, "--shard", "0/2", "--profile")
    assert code == 0, err
    assert "Shard 0/2 is done" in out
    code, out, err = cli("denoise", source, path, *options, "--shard", "1/2", "--profile")
    assert code == 0, err
    assert "device " in out
    np.testing.assert_array_equal(
        open_stack(path).array, denoise(open_stack(source), tiny_file, device="cpu")
    )


def test_a_scheduler_from_the_command_line(cli, source, tiny_file, tmp_path):
    from distributed import LocalCluster

    options = ("--model", tiny_file, "--device", "cpu", "--ome-version", "0.4")
    path = tmp_path / "a.ome.zarr"
    with LocalCluster(1, processes=False, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        code, _, err = cli("denoise", source, path, *options, "--scheduler", address)
    assert code == 0, err
    np.testing.assert_array_equal(
        open_stack(path).array, denoise(open_stack(source), tiny_file, device="cpu")
    )


def test_a_ct_window_may_begin_below_zero(cli, tmp_path, tiny_file):
    np.save(tmp_path / "ct.npy", np.random.default_rng(0).normal(0, 200, (40, 40)).astype("i2"))
    options = ("--model", tiny_file, "--device", "cpu", "--intensity", "-1024,3072")
    code, _, err = cli("denoise", tmp_path / "ct.npy", tmp_path / "out.npy", *options)
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{s}", "out.xyz"], "format of out.xyz is not known"),
        (["missing.tif", "out.tif"], "There is no file"),
        (["{s}", "{s}"], "is the input"),
        (["{s}", "out.tif", "--model", "nonsense"], "no model 'nonsense'"),
        (["{s}", "out.tif", "--model", "clip-rn50"], "no decoder yet"),
        (["{s}", "out.tif", "--axes", "yx"], "name 2 dimensions"),
        (["{s}", "out.tif", "--intensity", "best"], "intensity 'best' is unknown"),
        (["{s}", "out.tif", "--strength", "3"], "strength=3.0 is wrong"),
        (["{s}", "out.tif", "--tile", "100"], "tile=100 is wrong"),
        (["{s}", "out.tif", "--device", "tpu"], "device='tpu' is wrong"),
        (["{s}", "nowhere/out.tif"], "no folder nowhere"),
        (["{s}", "out.png"], "holds one plane"),
        (["{s}", "o.zarr", "--shard", "2/2"], "shard '2/2' is wrong"),
        (["{s}", "out.tif", "--shard", "0/2"], "in parts or in another version"),
        (["{s}", "o.zarr", "--workers", "1", "--scheduler", "a"], "either --workers or --sched"),
        (["{s}", "o.zarr", "--scheduler", "nowhere"], "no dask scheduler at nowhere"),
    ],
)
def test_bad_input_is_one_sentence(cli, source, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, _, err = cli("denoise", *(a.format(s=source) for a in arguments))
    assert code == 2
    assert message in err
    assert err.count("Error:") == 1
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_an_interrupted_run_leaves_nothing(cli, source, tiny_file, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_clip_denoise.inference.engine.engine.Runner.start", interrupt)
    for name in ("a.ome.zarr", "a.ome.tif"):
        code, _, err = cli("denoise", source, tmp_path / name, "--model", tiny_file)
        assert code == 130
        assert "Cancelled" in err
    assert list(tmp_path.iterdir()) == [source]


def test_a_published_checkpoint_is_imported_shown_and_used(cli, tmp_path, models_folder):
    torch.save(
        {"params": reference.random_checkpoint(3, layers=(1, 1, 1, 1), width=8)},
        tmp_path / "net_g_latest.pth",
    )
    code, out, _ = cli("models", "import", tmp_path / "net_g_latest.pth", "--name", "paper")
    assert code == 0
    assert "RGB" in out
    assert (models_folder / "paper.safetensors").exists()
    code, _, err = cli("models", "import", tmp_path / "net_g_latest.pth", "--name", "paper")
    assert (code, "already a model 'paper'" in err) == (2, True)
    _, out, _ = cli("models", "list")
    assert "compact" in out
    assert "paper" in out
    assert "clip-rn50" in out
    _, out, _ = cli("models", "show", "paper")
    assert json.loads(out)["clamp"] is True
    _, out, _ = cli("models", "path")
    assert out.strip() == str(models_folder)
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", image, photometric="rgb")
    code, _, err = cli("denoise", tmp_path / "rgb.tif", tmp_path / "out.png", "--model", "paper")
    assert code == 0, err


def test_info_tells_versions_devices_and_folder(cli, models_folder):
    code, out, _ = cli("info")
    assert code == 0
    for word in ("napari-clip-denoise", "torch", "cpu threads", str(models_folder)):
        assert word in out


def test_the_demo_gains_at_least_8_db(cli, tmp_path):
    code, out, err = cli("demo", tmp_path / "demo", "--device", "cpu")
    assert code == 0, err
    gain = float(out.split("(")[1].split(" dB")[0])
    assert gain >= 8
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"noisy.ome.tif", "denoised.ome.zarr", "before_after.png"}


def test_training_writes_a_model(cli, tmp_path):
    from PIL import Image

    (tmp_path / "data" / "cells").mkdir(parents=True)
    image = (200 * fluorescence((70, 80), seed=0).clip(0, 1)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "data" / "cells" / "0.png")
    (tmp_path / "small.yaml").write_text(
        """
        name: small
        network:
          encoder: {layers: [1, 1, 1], width: 8}
          channels: 1
          decoder_channels: [32, 16, 16, 8, 8]
          align_corners: false
          residual: true
        groups: [{folder: cells}]
        optimisation: {steps: 3, batch: 2, crop: 32}
        """
    )
    arguments = ("train", tmp_path / "small.yaml", "--data", tmp_path / "data")
    code, _, err = cli(*arguments, "--run", tmp_path / "run")
    assert code == 0, err
    code, _, err = cli("denoise", tmp_path / "data" / "cells" / "0.png", tmp_path / "o.png",
                       "--model", tmp_path / "run" / "small.safetensors")  # fmt: skip
    assert code == 0, err

    first = tmp_path / "run" / "small.safetensors"
    code, _, err = cli(*arguments, "--run", tmp_path / "next", "--init-from", first)
    assert code == 0, err
    assert "--start" not in err
    code, _, err = cli(*arguments, "--run", tmp_path / "again", "--start", first)
    assert code == 0, err
    assert "--start is now called --init-from" in err
    models = [load(tmp_path / run / "small.safetensors") for run in ("run", "next", "again")]
    assert models[1].sha256 == models[2].sha256 != models[0].sha256
    assert models[1].card.parent_sha256 == models[0].sha256


def test_the_version_is_printed(cli):
    code, out, _ = cli("--version")
    assert (code, out) == (0, version("napari-clip-denoise") + "\n")
    assert "with frozen CLIP features" in cli("--help")[1]


def test_help_loads_neither_torch_nor_napari():
    code = (
        "import sys; from napari_clip_denoise.cli.app import main; sys.argv = ['x', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'napari', 'zarr', 'dask') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_neighbouring_planes_are_an_option_of_a_run():
    settings = read_run(context=2, context_axis="t", context_align=True).settings
    assert (settings.context, settings.context_axis) == (2, "t")
    assert settings.context_align
