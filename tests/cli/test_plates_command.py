"""Plates on the command line."""

import pytest
import zarr

from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.publish import OWN_KEY
from plates import write_images, write_plate


@pytest.fixture
def options(tiny_file):
    return ("--model", tiny_file, "--device", "cpu", "--intensity", "0,2000")


@pytest.fixture
def plate(tmp_path):
    write_plate(tmp_path / "plate.ome.zarr", n_fields=1)
    return tmp_path / "plate.ome.zarr"


def test_a_plate_is_planned_denoised_and_summed_up_in_one_line(cli, plate, options, tmp_path):
    code, out, err = cli("plan", plate, *options)
    assert code == 0, err
    assert "4 wells, 4 fields of 2 x 40 x 48 (cyx), planes: 8, regions: 4" in out
    assert "plate-denoised.ome.zarr (default)" in out
    assert "time    about" in out
    code, out, err = cli("denoise", plate, tmp_path / "out.ome.zarr", *options)
    assert code == 0, err
    assert "out.ome.zarr: 4 wells, 4 fields, planes: 8, " in out
    own = zarr.open_group(tmp_path / "out.ome.zarr", mode="r").attrs[OWN_KEY]
    assert out.splitlines()[-1] == own["check"]["verdict"]
    assert "B/2/0, 8/8 planes" in " ".join(err.split())


def test_a_part_of_a_plate_says_that_others_are_missing(cli, plate, options, tmp_path):
    for part, told in ((0, "Shard 0/2 is done"), (1, "4 wells, 4 fields")):
        code, out, err = cli(
            "denoise", plate, tmp_path / "out.zarr", "--shard", f"{part}/2", "--no-check", *options
        )
        assert code == 0, err
        assert told in out


def test_what_a_plate_cannot_do_is_one_sentence(cli, plate, options, tmp_path):
    wrong = {
        ("out.tif",): "written as OME-Zarr",
        ("out.zarr", "--workers", "2"): "cannot denoise a plate",
        ("out.zarr", "--shard", "0/9"): "at most 4 parts",
        ("plate.ome.zarr", "--overwrite"): "is the input",
        ("out.zarr", "--profile"): "--profile is only for single images",
        ("out.zarr", "--series", "0"): "--series is only for files of several images",
    }
    for (name, *more), sentence in wrong.items():
        code, _, err = cli("denoise", plate, tmp_path / name, *more, *options)
        assert code == 2
        assert sentence in err


def test_one_image_of_several_is_denoised_by_its_number(cli, options, tmp_path):
    write_images(tmp_path / "a.zarr")
    out = tmp_path / "one.zarr"
    code, _, err = cli("denoise", tmp_path / "a.zarr", out, "--series", 1, "--no-check", *options)
    assert code == 0, err
    assert open_stack(out).shape == (1, 30, 20)


def test_a_plate_is_one_file_of_a_batch(cli, plate, options, tmp_path):
    code, out, err = cli("batch", plate, "-o", tmp_path / "out", *options)
    assert code == 0, err
    assert "1 done, 0 skipped, 0 failed" in out
    assert open_stack(tmp_path / "out" / "plate.ome.zarr" / "B" / "2" / "0").shape == (2, 40, 48)
    code, out, _ = cli("batch", plate, "-o", tmp_path / "tif", "--format", ".tif", *options)
    assert code == 1
    assert "written as OME-Zarr" in " ".join(out.split())
