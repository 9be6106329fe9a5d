import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise.images.shard import can_encode, write_shard


@settings(max_examples=25)
@given(
    chunk=st.tuples(*[st.integers(1, 4)] * 3),
    per_shard=st.tuples(*[st.integers(1, 3)] * 3),
    short=st.tuples(*[st.integers(0, 3)] * 3),
    dtype=st.sampled_from(["u1", "<u2", ">i4", "<f4", "f8"]),
)
def test_zarr_reads_what_was_written(chunk, per_shard, short, dtype):
    shard = tuple(a * b for a, b in zip(chunk, per_shard, strict=True))
    shape = tuple(max(1, size - less) for size, less in zip(shard, short, strict=True))
    block = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        array = zarr.create_array(
            f"{folder}/a.zarr", shape=shape, chunks=chunk, shards=shard, dtype=dtype
        )
        assert can_encode(array)
        file = Path(folder, "a.zarr", array.metadata.encode_chunk_key((0, 0, 0)))
        write_shard(array, file, block)
        assert [path.name for path in file.parent.iterdir()] == [file.name]
        np.testing.assert_array_equal(zarr.open_array(f"{folder}/a.zarr", mode="r")[:], block)


def test_pixels_need_not_be_contiguous(tmp_path):
    block = np.arange(math.prod((6, 4, 8)), dtype="u2").reshape(6, 4, 8).transpose(1, 2, 0)
    array = zarr.create_array(
        tmp_path / "a", shape=block.shape, chunks=(1, 4, 3), shards=(4, 8, 6), dtype="u2"
    )
    write_shard(array, tmp_path / "a" / "c" / "0" / "0" / "0", block)
    np.testing.assert_array_equal(array[:], block)


@pytest.mark.parametrize(
    "options", [{"zarr_format": 2}, {}, {"shards": (4, 4), "compressors": None}]
)
def test_what_is_stored_otherwise_is_left_to_zarr(options):
    assert not can_encode(zarr.create_array({}, shape=(4, 4), chunks=(2, 2), dtype="u1", **options))
