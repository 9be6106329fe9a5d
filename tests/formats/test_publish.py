"""What stands under a name: whole results only, and never anything of others."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_clip_denoise import denoise_to_zarr
from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats import create_writer, open_stack, publish
from napari_clip_denoise.formats.flat import FlatArray
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.api import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

OLD = np.full((3, 20, 30), 7, np.uint16)
NEW = np.random.default_rng(0).integers(0, 999, (3, 20, 30), np.uint16)
FILES = ["a.tif", "a.ome.tif", "a.npy", "a.nii", "a.nii.gz", "a.mrc"]
STORES = ["a.ome.zarr", "a.zarr"]


def begin(path, array=NEW, **options):
    stack = as_stack(array, "zyx")
    writer = create_writer(path, stack, stack.dtype, **options)
    for region in split(stack.shape, writer.region_shape):
        writer.write(region, stack.read(region))
    return writer


def pixels(path):
    stack = open_stack(path)
    return stack.read(whole(stack.shape))


@pytest.mark.parametrize("name", FILES + STORES)
def test_a_second_run_is_refused_and_the_first_one_wins(tmp_path, name):
    first = begin(tmp_path / name)
    with pytest.raises(OutputError, match="Another run is writing"):
        begin(tmp_path / name, OLD, overwrite=True)
    first.finish()
    np.testing.assert_array_equal(pixels(tmp_path / name), NEW)
    begin(tmp_path / name, OLD, overwrite=True).finish()
    np.testing.assert_array_equal(pixels(tmp_path / name), OLD)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", FILES)
def test_what_a_killed_run_leaves_is_removed_by_the_next(tmp_path, name):
    code = (
        "import sys, os; from test_publish import begin; from pathlib import Path\n"
        "begin(Path(sys.argv[1])); os._exit(9)"
    )
    places = [*sys.path, str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    command = [sys.executable, "-c", code, tmp_path / name]
    assert subprocess.run(command, check=False, env=environment).returncode == 9
    assert not (tmp_path / name).exists()
    assert len(list(tmp_path.iterdir())) >= 2
    stranger = tmp_path / f".{name}.partial"
    stranger.write_text("of somebody else")
    begin(tmp_path / name).finish()
    assert {path.name for path in tmp_path.iterdir()} == {name, stranger.name}


@pytest.mark.parametrize("name", FILES + STORES)
def test_a_folder_of_others_is_never_replaced(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputError, match="files that this program did not write"):
        begin(tmp_path / name, overwrite=True)
    assert (tmp_path / name / "thesis.txt").read_text() == "all of it"


def test_raw_data_are_never_replaced(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=OLD)
    with pytest.raises(OutputError, match="did not write"):
        begin(tmp_path / "a.zarr", overwrite=True)
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr"), OLD)


@pytest.mark.parametrize("ours", ["labels/0/zarr.json", "notes.txt", "0/notes.txt", ".hidden"])
def test_own_stores_with_things_of_others_are_not_replaced(tmp_path, ours):
    begin(tmp_path / "a.zarr", OLD).finish()
    added = tmp_path / "a.zarr" / ours
    added.parent.mkdir(parents=True, exist_ok=True)
    added.write_text("mine")
    with pytest.raises(OutputError, match="did not write"):
        begin(tmp_path / "a.zarr", overwrite=True)
    assert added.read_text() == "mine"
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr"), OLD)


def test_a_planted_link_is_not_followed(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("all of it")
    (tmp_path / ".a.zarr.partial").symlink_to(home)
    with pytest.raises(OutputError, match="did not write"):
        begin(tmp_path / "a.zarr", overwrite=True)
    (tmp_path / ".b.zarr.partial").mkdir()
    (tmp_path / ".b.zarr.partial" / ".progress").symlink_to(home)
    with pytest.raises(OutputError, match="did not write"):
        begin(tmp_path / "b.zarr", overwrite=True)
    (tmp_path / "c.tif").symlink_to(home / "thesis.txt")
    begin(tmp_path / "c.tif", overwrite=True).finish()
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]
    assert (home / "thesis.txt").read_text() == "all of it"
    np.testing.assert_array_equal(pixels(tmp_path / "c.tif"), NEW)


def test_an_unfinished_store_with_things_of_others_is_not_cleared(tmp_path):
    (tmp_path / ".a.zarr.partial").mkdir()
    (tmp_path / ".a.zarr.partial" / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputError, match="did not write"):
        begin(tmp_path / "a.zarr", overwrite=True)
    assert (tmp_path / ".a.zarr.partial" / "thesis.txt").read_text() == "all of it"


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.nii.gz"])
def test_a_result_whose_name_is_taken_meanwhile_is_kept(tmp_path, name):
    writer = begin(tmp_path / name)
    (tmp_path / name).write_text("of somebody else")
    with pytest.raises(OutputError, match="appeared meanwhile; the result is kept as"):
        writer.finish()
    writer.pause()
    assert (tmp_path / name).read_text() == "of somebody else"
    (kept,) = (path for path in tmp_path.iterdir() if path.name != name)
    np.testing.assert_array_equal(pixels(kept), NEW)


def test_a_store_whose_name_is_taken_meanwhile_is_kept(tmp_path):
    writer = begin(tmp_path / "a.zarr", fingerprint={})
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="appeared meanwhile; the result is kept as"):
        writer.finish()
    writer.pause()
    (tmp_path / "a.zarr" / "thesis.txt").unlink()
    (tmp_path / "a.zarr").rmdir()
    again = create_writer(tmp_path / "a.zarr", as_stack(NEW, "zyx"), NEW.dtype, fingerprint={})
    assert all(map(again.has, again.regions()))
    np.testing.assert_array_equal(pixels(again.finish()), NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("name", ["a.zarr", "a.tif"])
def test_a_run_that_dies_while_the_old_result_is_removed(tmp_path, monkeypatch, name):
    begin(tmp_path / name, OLD).finish()

    def die(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "remove", die)
    writer = begin(tmp_path / name, overwrite=True)
    if name == "a.zarr":
        with pytest.raises(KeyboardInterrupt):
            writer.finish()
    else:
        writer.finish()
    np.testing.assert_array_equal(pixels(tmp_path / name), NEW)


@pytest.mark.parametrize("killed_at", ["aside", "old", "new"])
def test_a_run_killed_in_the_last_rename_is_completed(tmp_path, monkeypatch, killed_at):
    path = tmp_path / "a.zarr"
    begin(path, OLD).finish()
    stack = as_stack(NEW, "zyx")
    rename, seen = type(path).rename, []
    endings = {"aside": ".progress", "old": ".old", "new": "a.zarr"}

    def dying(self, target):
        if str(target).endswith(endings[killed_at]):
            seen.append(target)
            raise SystemExit
        if seen:
            raise SystemExit
        return rename(self, target)

    writer = begin(path, overwrite=True, fingerprint={})
    with monkeypatch.context() as patch:
        patch.setattr(type(path), "rename", dying)
        with pytest.raises(SystemExit):
            writer.finish()
    writer._record.release()
    again = create_writer(path, stack, stack.dtype, overwrite=True, fingerprint={})
    assert all(map(again.has, again.regions()))
    again.finish()
    np.testing.assert_array_equal(pixels(path), NEW)
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr"}


@pytest.mark.parametrize("kind", ["zarr", "dask", "dask of a view", "memory map"])
def test_an_array_is_never_written_over_its_own_file(tmp_path, tiny, kind):
    denoise_to_zarr(OLD, tmp_path / "a.zarr", tiny)
    before = pixels(tmp_path / "a.zarr")
    np.save(tmp_path / "a.npy", OLD)
    level = zarr.open(tmp_path / "a.zarr", mode="r")["0"]
    array, path = {
        "zarr": (level, "a.zarr"),
        "dask": (da.from_zarr(level), "a.zarr"),
        "dask of a view": (da.from_array(level, inline_array=True)[1:] + 1, "a.zarr"),
        "memory map": (np.load(tmp_path / "a.npy", mmap_mode="r")[:2], "a.npy"),
    }[kind]
    with pytest.raises(OutputError, match="is the input"):
        denoise_to_file(
            as_stack(array), tmp_path / path, make_settings(), model=tiny, overwrite=True
        )
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr"), before)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), OLD)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be reserved")
@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.nii", "a.nii.gz", "a.mrc"])
def test_a_disk_without_room_is_told_before_the_first_region(tmp_path, name, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left on device"):
        begin(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.nii.gz", "a.mrc"])
def test_a_disk_that_fills_in_mid_run_is_told(tmp_path, tiny, name, monkeypatch):
    def full(self, first, pixels):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FlatArray, "_put_at", full)
    (tmp_path / name).write_text("the old one")
    with pytest.raises(OutputError, match="No space left on device; make room and run it again"):
        denoise_to_file(as_stack(NEW), tmp_path / name, make_settings(), model=tiny, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "the old one"


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_long_names_are_used_or_refused(tmp_path, suffix):
    longest = tmp_path / ("ä" * ((255 - len(suffix)) // 2) + suffix)
    begin(longest).finish()
    np.testing.assert_array_equal(pixels(longest), NEW)
    with pytest.raises(OutputError, match=r"has 2.. bytes, and 255 are the most"):
        begin(tmp_path / ("ä" * 126 + "abcd" + suffix))
    assert [path.name for path in tmp_path.iterdir()] == [longest.name]


@pytest.mark.parametrize("order", ["zyx", "yxz", "xzy"])
def test_regions_are_put_where_they_belong(tmp_path, order):
    path = tmp_path / "flat"
    path.write_bytes(b"header")
    array = np.random.default_rng(0).integers(0, 999, (5, 7, 11), np.uint16)
    turned = array.transpose(["zyx".index(axis) for axis in order])
    flat = FlatArray(path, turned.dtype, turned.shape, 6)
    for region in split(array.shape, (2, 7, 11)):
        index = tuple(region["zyx".index(axis)] for axis in order)
        flat.write(index, turned[index])
    np.testing.assert_array_equal(np.asarray(flat), turned)
    flat.close()
    assert path.read_bytes() == b"header" + turned.tobytes()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_removal_that_was_cut_short_is_completed(tmp_path, monkeypatch, version):
    store = begin(tmp_path / "a.ome.zarr", ome_version=version).finish()
    old = store.with_name(f".{store.name}.0123abcd.old")
    n_files = sum(file.is_file() for file in store.rglob("*"))
    unlink = os.unlink
    for survived in range(n_files):
        shutil.copytree(store, old)
        left = iter(range(survived))

        def cut_short(*arguments, left=left, **options):
            if next(left, None) is None:
                raise KeyboardInterrupt
            unlink(*arguments, **options)

        with monkeypatch.context() as patched:
            patched.setattr(os, "unlink", cut_short)
            with pytest.raises(KeyboardInterrupt):
                publish.remove(old)
        assert old.exists()
        publish.remove_left_overs(store)
        assert [path.name for path in tmp_path.iterdir()] == [store.name]
