"""The kit for a GPU, packed and run on the CPU."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from benchmarks.gpu_kit import pack, run
from benchmarks.gpu_kit.files import bring, fetch
from benchmarks.gpu_kit.images import INDEX, divide, pack_images, unpack_images
from napari_clip_denoise import load
from napari_clip_denoise.noise.simulation import fluorescence

RECIPE = """
name: first
description: A trial.
seed: 1
network:
  encoder: {layers: [1, 1, 1], width: 8, shifts: false}
  channels: 1
  decoder_channels: [16, 16, 8, 8]
  decoder_stride: 2
  align_corners: false
  residual: true
  noise_level: true
groups: [{folder: photos, weight: 1.0}]
optimisation: {steps: STEPS, batch: 2, crop: 32, warm_up: 0, checkpoint_every: 2, alive: 0.01}
"""


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    (folder / "photos" / "more").mkdir(parents=True)
    for seed in range(3):
        photo = (255 * fluorescence((80, 96), seed=seed).clip(0, 1)).astype(np.uint8)
        Image.fromarray(np.stack([photo, photo // 2, 255 - photo], -1)).save(
            folder / "photos" / f"{seed}.jpg"
        )
    rng = np.random.default_rng(0)
    for name, shape, dtype, axes in (
        ("volume", (3, 40, 50), np.uint16, "ZYX"),
        ("colours", (40, 50, 3), np.uint8, "YXS"),
        ("channels", (2, 40, 50), np.uint8, "CYX"),
        ("float", (40, 50), np.float32, "YX"),
    ):
        tifffile.imwrite(
            folder / "photos" / "more" / f"{name}.tif",
            (200 * rng.random(shape)).astype(dtype),
            photometric="rgb" if axes == "YXS" else "minisblack",
            metadata={"axes": axes},
        )
    (folder / "photos" / "LICENCE.txt").write_text("Free.")
    return folder


def test_images_come_back_without_loss(images, tmp_path):
    weights = {"photos": 1.0}
    assert pack_images(images, tmp_path / "data.tar", weights, 10**7) == {"photos": "8 of 8"}
    assert unpack_images(tmp_path / "data.tar", tmp_path / "back") == 8
    for path in (path for path in images.rglob("*") if path.is_file()):
        back = tmp_path / "back" / path.relative_to(images)
        if path.suffix != ".tif":
            assert back.read_bytes() == path.read_bytes()
            continue
        with tifffile.TiffFile(path) as first, tifffile.TiffFile(back) as second:
            assert first.series[0].axes == second.series[0].axes
            np.testing.assert_array_equal(first.asarray(), second.asarray())
            assert first.asarray().dtype == second.asarray().dtype


def test_what_exceeds_the_space_is_left_out(images, tmp_path):
    packed = pack_images(images, tmp_path / "data.tar", {"photos": 1.0}, 6000)
    count = unpack_images(tmp_path / "data.tar", tmp_path / "back")
    assert 0 < count < 8
    assert packed == {"photos": f"{count} of 8"}
    with tarfile.open(tmp_path / "data.tar") as archive:
        assert sum(member.size for member in archive if member.name != INDEX) <= 6000


def test_space_is_divided_by_weight_among_groups_that_need_it():
    assert divide({"a": 90, "b": 30, "c": 10}, {"a": 2, "b": 1, "c": 1}, 70) == pytest.approx(
        {"a": 40, "b": 20, "c": 10}
    )
    assert divide({"a": 5, "b": 6}, {"a": 1, "b": 1}, 70) == {"a": 5, "b": 6}


def test_large_files_travel_in_parts(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(250)))
    parts = bring(tmp_path / "a", tmp_path / "out" / "a", largest=100)
    assert [part.stat().st_size for part in parts] == [100, 100, 50]
    assert fetch(tmp_path / "out" / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == bytes(range(250))
    assert bring(tmp_path / "a", tmp_path / "out" / "a") == [tmp_path / "out" / "a"]
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert not fetch(tmp_path / "missing", tmp_path / "c")


def test_what_torch_brings_is_not_packed():
    versions = pack.versions_to_pack()
    assert {"napari-clip-denoise", "zarr", "pytest", "lightning-fabric"} <= set(versions)
    assert not {"torch", "sympy", "timm", "safetensors", "torchvision"} & set(versions)


def step_of(path):
    return torch.load(path / "last.pt", weights_only=True)["step"]


def test_a_kit_goes_on_where_the_last_call_ended(images, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(pack.ROOT) / "src"))
    recipes = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    recipes[0].write_text(RECIPE.replace("STEPS", "4"))
    recipes[1].write_text(RECIPE.replace("STEPS", "2").replace("first", "second"))
    kit, out = tmp_path / "kit", tmp_path / "out"
    trainings = ["--training", str(recipes[0]), "--training", str(recipes[1]), "from=first"]
    pack.main([str(kit), "--data", str(images), "--no-wheels", *trainings])
    assert json.loads((kit / "trainings.json").read_text())[1]["init_from"] == "first"
    call = ["--kit", str(kit), "--work", str(tmp_path / "work"), "--out", str(out)]
    call += ["--device", "cpu", "--minutes", "2", "--steps", "2", "--no-checks"]

    assert run.main(call) == 0
    assert step_of(out / "first") == 2
    assert not (out / "second").exists()
    shutil.rmtree(tmp_path / "work" / "runs")
    assert run.main(call) == 0
    assert step_of(out / "first") == 4
    assert step_of(out / "second") == 2
    assert load(out / "second" / "second.safetensors").card.network.noise_level
