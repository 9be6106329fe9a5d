import os

import numpy as np
import pytest
import zarr

from napari_clip_denoise.formats import create_writer, fingerprint, open_stack
from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.images.stack import as_stack


@pytest.fixture(params=["0.5", "0.4", "plain"])
def store(request, tmp_path):
    """A store of 40 planes in chunks of one."""
    noisy = np.random.default_rng(0).integers(0, 999, (40, 32, 32), np.uint16)
    path = tmp_path / "a.zarr"
    if request.param == "plain":
        zarr.create_array(path, data=noisy, chunks=(1, 32, 32))
        return path
    stack = as_stack(noisy, "zyx")
    writer = create_writer(path, stack, stack.dtype, ome_version=request.param)
    for region in writer.regions():
        writer.write(region, noisy[region])
    return writer.finish()


def chunks_of(store):
    files = (file for file in store.rglob("*") if file.is_file())
    return sorted(file for file in files if not file.name.startswith((".z", "z")))


def differing(store, change):
    before = source_fingerprint(open_stack(store))
    assert source_fingerprint(open_stack(store)) == before
    change()
    after = source_fingerprint(open_stack(store))
    return {key for key in before if before[key] != after[key]}


def write_again(store):
    """Store the same values again: only the files' times are new."""
    node = zarr.open(store)
    array = node if isinstance(node, zarr.Array) else node["0"]
    array[7] = array[7]


def test_a_chunk_that_is_written_again_is_noticed(store):
    assert differing(store, lambda: write_again(store)) == {"source files"}


def test_a_chunk_in_a_folder_of_many_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "N_CHUNKS", 2)
    zarr.create_array(
        tmp_path / "flat.zarr", data=np.ones((40, 8, 8), "u2"), chunks=(1, 8, 8), zarr_format=2
    )
    assert differing(tmp_path / "flat.zarr", lambda: write_again(tmp_path / "flat.zarr"))


def test_a_looked_at_chunk_that_is_gone_or_touched_is_noticed(store):
    chunk = chunks_of(store)[0]
    assert differing(store, lambda: os.utime(chunk, ns=(1, 1))) == {"source files"}
    assert "source files" in differing(store, chunk.unlink)


def test_other_metadata_is_noticed(store):
    def rename():
        zarr.open(store).attrs["remark"] = "another day"

    assert differing(store, rename) == {"source files"}


def test_few_files_are_looked_at_however_many_there_are(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "huge.zarr", shape=(10**7, 64, 64), chunks=(1, 64, 64), dtype="u2")
    stack = open_stack(tmp_path / "huge.zarr")
    looked_at = []
    stat = fingerprint.Path.stat
    monkeypatch.setattr(
        fingerprint.Path, "stat", lambda p, **o: looked_at.append(p) or stat(p, **o)
    )
    assert source_fingerprint(stack)["source files"]
    assert fingerprint.N_CHUNKS < len(looked_at) < 3 * fingerprint.N_CHUNKS
