"""Plates and other stores of many images."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from yaozarrs import validate_zarr_store

from napari_clip_denoise import denoise_plate, denoise_to_zarr
from napari_clip_denoise.errors import Cancelled, InputError, OutputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.plates.collection import open_collection
from napari_clip_denoise.formats.ome_zarr.plates.field_writer import FieldWriter
from napari_clip_denoise.formats.publish import OWN_KEY
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.inference.progress import CancelToken
from plates import WELLS, field, write_images, write_plate
from stores import files_of

HERE = Path(__file__).parent.parent
FIELDS = [f"{well}/{k}" for well in WELLS for k in range(2)]
NUMBERS = {"device": "cpu", "intensity": (0, 2000), "noise_level": "blind"}


@pytest.fixture(params=["0.5", "0.4"])
def version(request):
    return request.param


@pytest.fixture
def plate(tmp_path, version):
    write_plate(tmp_path / "plate.ome.zarr", version)
    return tmp_path / "plate.ome.zarr"


def pixels(path):
    stack = open_stack(path)
    return stack.read(whole(stack.shape))


def test_a_denoised_plate_is_a_plate_with_all_that_it_had(plate, tiny, tmp_path, version):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Plate, Reader

    out = tmp_path / "out.ome.zarr"
    result = denoise_plate(plate, out, tiny, **NUMBERS)
    assert (result.path, result.is_complete, result.n_planes) == (out, True, 16)
    assert result.fields == tuple(FIELDS)
    assert result.verdict is not None
    validate_zarr_store(str(out))
    (node,) = list(Reader(parse_url(str(out)))())[:1]
    assert any(isinstance(spec, Plate) for spec in node.specs)
    read = zarr.open_group(out, mode="r")
    ome = read.attrs.get("ome", read.attrs.asdict())
    given = zarr.open_group(plate, mode="r").attrs.asdict()
    assert ome["plate"] == given.get("ome", given)["plate"]
    own = read.attrs[OWN_KEY]
    assert own["complete"] is True
    assert own["measured"] == "plate"
    assert own["check"]["verdict"] == result.verdict.sentence
    assert open_stack(out / "B/2/1").metadata.scale == (1.0, 0.5, 0.25)
    source = zarr.open_group(plate, mode="r")
    for name in ("A/1/0/labels/nuclei/0", "A/1/0/tables/cells/area"):
        np.testing.assert_array_equal(read[name][:], source[name][:])
    assert {path.name for path in tmp_path.iterdir()} == {"plate.ome.zarr", "out.ome.zarr"}


def test_a_field_has_the_pixels_that_it_has_alone(plate, tiny, tmp_path):
    out = tmp_path / "out.zarr"
    denoise_plate(plate, out, tiny, measure="field", device="cpu", labels=False, check=False)
    for name in (FIELDS[0], FIELDS[-1]):
        alone = denoise_to_zarr(
            plate / name, tmp_path / "alone.zarr", tiny, device="cpu", overwrite=True
        )
        np.testing.assert_array_equal(pixels(out / name), pixels(alone))
    assert not (out / "A/1/0/labels").exists()


def test_a_plate_is_measured_once_so_that_wells_compare(plate, tiny, tmp_path):
    out = tmp_path / "out.zarr"
    denoise_plate(plate, out, tiny, intensity="minmax", device="cpu", check=False)
    everything = np.stack([field(k) for k in range(8)])
    for name in (FIELDS[0], FIELDS[-1]):
        mapping = zarr.open_group(out, path=name, mode="r").attrs[OWN_KEY]["intensity_mapping"]
        ends = [(one["low"], one["high"]) for one in mapping]
        assert ends == [(everything[:, c].min(), everything[:, c].max()) for c in range(2)]


@pytest.mark.parametrize("killed", [1, 11])
def test_a_resumed_plate_has_the_bytes_of_one_that_was_not_interrupted(
    tmp_path, tiny, monkeypatch, killed
):
    plate = tmp_path / "plate.ome.zarr"
    write_plate(plate)
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)
    expected = files_of(denoise_plate(plate, tmp_path / "whole.zarr", tiny, device="cpu").path)
    write, seen = FieldWriter.write, []

    def failing(self, index, block):
        seen.append(index)
        if len(seen) == killed:
            raise OSError(28, "No space left on device")
        write(self, index, block)

    monkeypatch.setattr(FieldWriter, "write", failing)
    with pytest.raises(OutputError, match="it goes on where it stopped"):
        denoise_plate(plate, tmp_path / "out.zarr", tiny, device="cpu")
    assert not (tmp_path / "out.zarr").exists()
    reports = []
    before = len(seen)
    denoise_plate(plate, tmp_path / "out.zarr", tiny, device="cpu", progress=reports.append)
    assert len(seen) - before <= 16 - killed + 2
    assert reports[-1].done == reports[-1].total == 16
    assert files_of(tmp_path / "out.zarr") == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_plate_is_resumed_to_the_same_bytes(tiny_file, tmp_path):
    write_plate(tmp_path / "plate.ome.zarr")
    command = [sys.executable, HERE / "killed_plates.py", tiny_file, tmp_path, "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == 2
    whole_files = files_of(tmp_path / "whole.ome.zarr")
    assert len(whole_files) > 40
    assert files_of(tmp_path / "killed.ome.zarr") == whole_files


def test_parts_of_a_plate_are_wells_and_make_the_same_store(tmp_path, tiny):
    plate = tmp_path / "plate.ome.zarr"
    write_plate(plate)
    expected = files_of(denoise_plate(plate, tmp_path / "whole.zarr", tiny, device="cpu").path)
    out = tmp_path / "out.zarr"
    results = [denoise_plate(plate, out, tiny, device="cpu", shard=(part, 3)) for part in (2, 0, 1)]
    assert [len(result.fields) for result in results] == [4, 2, 2]
    assert [result.is_complete for result in results] == [False, False, True]
    assert files_of(out) == expected
    with pytest.raises(InputError, match=r"has 4 wells.*at most 4 parts"):
        denoise_plate(plate, out, tiny, shard=(0, 5), overwrite=True)


def test_a_cancelled_plate_keeps_its_finished_fields(tmp_path, tiny):
    plate = tmp_path / "plate.ome.zarr"
    write_plate(plate)
    cancel = CancelToken()

    def report(progress):
        if progress.done >= 6:
            cancel.cancel()

    with pytest.raises(Cancelled, match="is kept"):
        denoise_plate(plate, tmp_path / "out.zarr", tiny, progress=report, cancel=cancel, **NUMBERS)
    reports = []
    denoise_plate(plate, tmp_path / "out.zarr", tiny, progress=reports.append, **NUMBERS)
    assert reports[0].before >= 4 or reports[0].message


def test_other_settings_and_changed_fields_are_refused_by_name(tmp_path, tiny, monkeypatch):
    plate, out = tmp_path / "plate.ome.zarr", tmp_path / "out.zarr"
    write_plate(plate)
    cancel = CancelToken()

    def report(progress):
        if progress.done >= 6:
            cancel.cancel()

    with pytest.raises(Cancelled):
        denoise_plate(plate, out, tiny, progress=report, cancel=cancel, **NUMBERS)
    with pytest.raises(OutputError, match=r"started differently .strength 1.0 then, 0.5 now"):
        denoise_plate(plate, out, tiny, strength=0.5, **NUMBERS)
    zarr.open_group(plate)["A/1/0/0"][0, 0, 0] = 7
    with pytest.raises(OutputError, match=r"A/1/0 was started differently .source files"):
        denoise_plate(plate, out, tiny, **NUMBERS)
    denoise_plate(plate, out, tiny, overwrite=True, **NUMBERS)
    fresh = denoise_plate(plate, tmp_path / "b.zarr", tiny, **NUMBERS)
    assert files_of(out) == files_of(fresh.path)


def test_a_finished_plate_is_replaced_only_if_it_is_as_it_was_made(tmp_path, tiny):
    plate, out = tmp_path / "plate.ome.zarr", tmp_path / "out.zarr"
    write_plate(plate)
    denoise_plate(plate, out, tiny, check=False, **NUMBERS)
    with pytest.raises(OutputError, match="already exists"):
        denoise_plate(plate, out, tiny, **NUMBERS)
    denoise_plate(plate, out, tiny, overwrite=True, check=False, **NUMBERS)
    zarr.open_group(out, path="B/2/0/labels", mode="a")
    with pytest.raises(OutputError, match="did not write"):
        denoise_plate(plate, out, tiny, overwrite=True, **NUMBERS)
    with pytest.raises(OutputError, match="is the input"):
        denoise_plate(plate, plate, tiny, overwrite=True, **NUMBERS)


def test_missing_wells_and_fields_are_named_or_left_out(tmp_path, tiny):
    plate, out = tmp_path / "plate.ome.zarr", tmp_path / "out.zarr"
    write_plate(plate)
    shutil.rmtree(plate / "A" / "2")
    shutil.rmtree(plate / "B" / "1" / "1" / "0")
    with pytest.raises(InputError, match=r"not there: A/2, B/1/1 .2 in all.; .*--skip-missing"):
        denoise_plate(plate, out, tiny, **NUMBERS)
    told = []
    result = denoise_plate(plate, out, tiny, skip_missing=True, notify=told.append, **NUMBERS)
    assert len(result.fields) == 5
    assert "they are left out" in told[0]
    validate_zarr_store(str(out))
    assert [well["path"] for well in zarr.open_group(out).attrs["ome"]["plate"]["wells"]] == [
        "A/1",
        "B/1",
        "B/2",
    ]
    for well in WELLS:
        shutil.rmtree(plate / well, ignore_errors=True)
    with pytest.raises(InputError, match="without a single field"):
        denoise_plate(plate, out, tiny)


def test_the_version_can_be_changed_without_labels(tmp_path, tiny):
    write_plate(tmp_path / "plate.zarr", "0.4")
    told = []
    result = denoise_plate(
        tmp_path / "plate.zarr",
        tmp_path / "out.zarr",
        tiny,
        ome_version="0.5",
        notify=told.append,
        **NUMBERS,
    )
    assert any("Labels and tables are not copied" in sentence for sentence in told)
    validate_zarr_store(str(result.path))
    assert zarr.open_group(result.path).metadata.zarr_format == 3
    np.testing.assert_array_equal(pixels(result.path / "A/1/0").shape, (2, 40, 48))


def test_all_images_of_a_converted_file_are_denoised(tmp_path, tiny, version):
    write_images(tmp_path / "a.zarr", version)
    (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    result = denoise_plate(tmp_path / "a.zarr", tmp_path / "out.zarr", tiny, device="cpu")
    assert result.fields == ("0", "1")
    validate_zarr_store(str(result.path))
    assert (result.path / "OME" / "METADATA.ome.xml").read_text() == "<OME/>"
    for number in (0, 1):
        alone = denoise_to_zarr(
            tmp_path / "a.zarr" / str(number), tmp_path / f"{number}.zarr", tiny, device="cpu"
        )
        np.testing.assert_array_equal(pixels(result.path / str(number)), pixels(alone))


def test_single_images_are_no_collection(tmp_path, tiny):
    write_images(tmp_path / "a.zarr")
    assert open_collection(tmp_path / "a.zarr" / "0") is None
    assert open_collection(tmp_path / "none.zarr") is None
    with pytest.raises(InputError, match="neither a plate nor"):
        denoise_plate(tmp_path / "a.zarr" / "0", tmp_path / "out.zarr", tiny)
    with pytest.raises(InputError, match=r"end in \.ome\.zarr"):
        denoise_plate(tmp_path / "a.zarr", tmp_path / "out.tif", tiny)
