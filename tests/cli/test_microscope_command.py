"""Microscope files from the command line to stores that other software reads."""

import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from microscopes import COLOURS, PIXEL_SIZES, noisy, write_czi, write_lif, write_nd2
from napari_clip_denoise import denoise

WRITERS = {".czi": write_czi, ".lif": write_lif, ".nd2": write_nd2}
SCENES = {"left": noisy((2, 2, 3, 40, 48)), "right": noisy((2, 2, 3, 40, 48), 1)}
COMMON = ("--device", "cpu", "--batch", 1, "--intensity", "0,999", "--no-check")


@pytest.fixture(params=WRITERS)
def file(request, tmp_path):
    path = tmp_path / f"cells{request.param}"
    WRITERS[request.param](path, SCENES)
    return path


def as_others_see(store):
    """Return pixels and metadata of a store as ome-zarr-py reads them."""
    node = next(iter(Reader(parse_url(store))()))
    return np.asarray(node.data[0]), node.metadata


def expected(image, model, tmp_path):
    options = {"device": "cpu", "batch": 1, "intensity": (0, 999), "check": False}
    return denoise(image, model, axes="tczyx", **options)


def test_a_scene_becomes_a_store_with_all_that_is_known_of_it(cli, file, tiny, tiny_file, tmp_path):
    store = tmp_path / "out.ome.zarr"
    arguments = ("denoise", file, store, "--scene", "right", "--model", tiny_file, *COMMON)
    code, _, err = cli(*arguments)
    assert code == 0, err
    array, metadata = as_others_see(store)
    np.testing.assert_array_equal(array, expected(SCENES["right"], tiny, tmp_path))
    axes = [axis["name"] for axis in metadata["axes"]]
    assert axes == list("tczyx")
    units = {axis["name"]: axis.get("unit") for axis in metadata["axes"]}
    assert {units[axis] for axis in "zyx"} == {"micrometer"}
    (scale,) = (t["scale"] for t in metadata["coordinateTransformations"][0] if "scale" in t)
    assert dict(zip(axes, scale, strict=True)) == pytest.approx(
        {"t": 1.0 if file.suffix == ".czi" else 2.5, "c": 1.0, **PIXEL_SIZES}
    )
    is_named = file.suffix != ".lif"
    assert metadata["channel_names"] == (list(COLOURS) if is_named else ["Green", "Red"])
    if is_named:
        channels = zarr.open_group(store).attrs["ome"]["omero"]["channels"]
        assert [channel["color"] for channel in channels] == list(COLOURS.values())


def test_a_batch_denoises_all_scenes_or_one(cli, tiny, tiny_file, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write_czi(data / "cells.czi", SCENES)
    write_nd2(data / "one.nd2", {"only": SCENES["left"]})
    (data / "broken.lif").write_bytes(b"no image")
    arguments = ("batch", data, "-o", out, "--model", tiny_file, *COMMON)
    code, text, _ = cli(*arguments)
    assert code == 1
    assert "3 done, 0 skipped, 1 failed" in text
    assert "cells.czi, left" in text
    for name, scene in (("cells_left", "left"), ("cells_right", "right"), ("one", "left")):
        array, _ = as_others_see(out / f"{name}.ome.zarr")
        np.testing.assert_array_equal(array, expected(SCENES[scene], tiny, tmp_path))
    _, text, _ = cli(*arguments)
    assert "0 done, 3 skipped, 1 failed" in text
    code, text, err = cli(
        "batch", data / "cells.czi", "-o", tmp_path / "one", "--scene", "1", *arguments[4:]
    )
    assert code == 0, err
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["cells_right.ome.zarr"]


@pytest.mark.parametrize("command", ["denoise", "plan"])
def test_what_is_wrong_is_one_sentence(cli, tmp_path, monkeypatch, command):
    write_czi(tmp_path / "a.czi", {name: image[:1] for name, image in SCENES.items()})
    output = tmp_path / "a.ome.zarr"
    code, _, err = cli(command, tmp_path / "a.czi", output)
    assert (code, err.count("\n")) == (2, 1)
    assert "holds 2 images; choose one by its number, --series 0 to 1" in err
    code, _, err = cli(command, tmp_path / "a.czi", output, "--scene", "middle")
    assert (code, err.count("\n")) == (2, 1)
    assert "has no image 'middle'; it holds left, right" in err
    monkeypatch.setattr("bioio.plugins.get_plugins", lambda use_cache: {})
    code, _, err = cli(command, tmp_path / "a.czi", output)
    assert (code, err.count("\n")) == (2, 1)
    assert 'a.czi needs bioio-czi, which is not installed; run: pip install "' in err
    (tmp_path / "a.nonsense").write_bytes(b"pixels")
    code, _, err = cli(command, tmp_path / "a.nonsense", output)
    assert (code, "is not known" in err) == (2, True)


def test_a_stopped_run_goes_on(cli, tiny, tiny_file, tmp_path):
    write_nd2(tmp_path / "a.nd2", {"only": SCENES["left"]})
    store = tmp_path / "a.ome.zarr"
    arguments = ("denoise", tmp_path / "a.nd2", store, "--model", tiny_file, *COMMON)
    for part in range(2):
        code, text, err = cli(*arguments, "--shard", f"{part}/2")
        assert code == 0, err
        assert ("appears once all others are" in text) == (part == 0)
    array, _ = as_others_see(store)
    np.testing.assert_array_equal(array, expected(SCENES["left"], tiny, tmp_path))
    arguments = (*arguments[:2], tmp_path / "b.ome.zarr", *arguments[3:])
    cli(*arguments, "--shard", "0/2")
    write_nd2(tmp_path / "a.nd2", {"only": SCENES["right"]})
    code, _, err = cli(*arguments, "--shard", "1/2")
    assert code == 2
    assert "source" in err
