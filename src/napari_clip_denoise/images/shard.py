"""Shards of zarr arrays, encoded in the thread that has their pixels.

zarr hands each chunk from its event loop to a pool of threads, and joins and copies what comes
back; for regions that several threads write at once, that took a quarter of the time of writing.
"""

from itertools import product
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import Zstd
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec

from napari_clip_denoise.images.files import sync

ABSENT = 2**64 - 1
"""Offset and length of a chunk that is not there."""


def can_encode(array: zarr.Array) -> bool:
    """Whether an array is stored as zarr does by default: shards of chunks under Zstandard."""
    codecs: Any = getattr(array.metadata, "codecs", ())
    if len(codecs) != 1 or not isinstance(codecs[0], ShardingCodec):
        return False
    inner = [type(codec) for codec in codecs[0].codecs]
    index = [type(codec) for codec in codecs[0].index_codecs]
    at_end = codecs[0].index_location.value == "end"
    return inner == [BytesCodec, ZstdCodec] and index == [BytesCodec, Crc32cCodec] and at_end


def write_shard(array: zarr.Array, file: Path, block: np.ndarray) -> None:
    """Store a whole shard, or what of it lies within the array, and wait for the disk.

    Parameters
    ----------
    array : zarr.Array
        One that `can_encode`.
    file : Path
        Of the shard.
    block : numpy.ndarray
        Its pixels, cut off where the array ends.
    """
    sharding: Any = array.metadata.codecs[0]  # type: ignore[union-attr]
    zstd = Zstd(level=sharding.codecs[1].level, checksum=sharding.codecs[1].checksum)
    chunk, shard = array.chunks, array.shards
    assert shard is not None
    grid = [whole // part for whole, part in zip(shard, chunk, strict=True)]
    index = np.full((*grid, 2), ABSENT, "<u8")
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as stream:
        for position in product(*map(range, grid)):
            starts = [i * size for i, size in zip(position, chunk, strict=True)]
            part = block[tuple(slice(a, a + size) for a, size in zip(starts, chunk, strict=True))]
            if not part.size:
                continue
            encoded = zstd.encode(_whole_chunk(part, chunk, array))
            index[position] = stream.tell(), len(encoded)
            stream.write(encoded)
        table = index.tobytes()
        stream.write(table + google_crc32c.value(table).to_bytes(4, "little"))
    sync(partial)
    partial.replace(file)


def _whole_chunk(part: np.ndarray, chunk: tuple[int, ...], array: zarr.Array) -> np.ndarray:
    dtype = np.dtype(array.dtype).newbyteorder("<")
    if part.shape == chunk:
        return np.ascontiguousarray(part, dtype)
    filled = np.full(chunk, array.fill_value, dtype)
    filled[tuple(map(slice, part.shape))] = part
    return filled
