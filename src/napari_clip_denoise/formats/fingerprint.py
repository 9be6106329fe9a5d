"""Fingerprints of sources, to detect changes between runs."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.formats.detect import ZARR_FILES, is_zarr
from napari_clip_denoise.formats.ome_zarr.reader import full_resolution
from napari_clip_denoise.images.sampling import sample_positions
from napari_clip_denoise.images.stack import Stack

METADATA_FILES = (*ZARR_FILES, ".zattrs")
N_CHUNKS = 1024
N_SAMPLES = 16
SAMPLE_SIDE = 64


def source_fingerprint(stack: Stack) -> dict[str, Any]:
    """Return a fingerprint of a source, to detect whether it changes later.

    Parameters
    ----------
    stack : Stack
        The source.

    Returns
    -------
    dict
        Shape, type and axes, the state of the files (size and modification time of each), and the
        SHA-256 of a few small samples. Arrays in memory are distinguished only by the samples.

    Notes
    -----
    A zarr store may have millions of files. Only the metadata, up to `N_CHUNKS` chunks (or shards)
    spread evenly over the array, and the folders that contain them are examined; the modification
    time of a folder changes when zarr replaces a file in it. Every rewritten chunk is therefore
    detected if there are at most `N_CHUNKS`, or all are in one folder. In a larger store with a
    folder for each plane, only a change of many chunks is detected.
    """
    return {
        "source": _place(stack),
        "source shape": f"{' x '.join(map(str, stack.shape))} {stack.axes} {stack.dtype}",
        "source files": "none" if stack.path is None else _state(stack),
        "source pixels": _sample_sha256(stack),
    }


def _place(stack: Stack) -> str:
    if stack.is_private or stack.opening is None:
        return stack.name if stack.path is None or stack.is_private else str(stack.path.resolve())
    number = stack.opening.series
    return stack.opening.shown if number is None else f"{stack.opening.shown}, image {number}"


def _state(stack: Stack) -> str:
    """Summarise the state of a file, the files of a folder, or a zarr store."""
    path = stack.path
    assert path is not None
    if not path.is_dir():
        return _state_of([path], "")
    if is_zarr(path):
        return _state_of_zarr(path, stack.opening.series if stack.opening else None)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return _state_of(files, "")


def _state_of_zarr(path: Path, series: int | None) -> str:
    """Summarise the state of a store from its metadata and up to `N_CHUNKS` chunk files."""
    node: Any = zarr.open(path, mode="r")
    try:
        array = full_resolution(node, series)
    except IndexError:  # the number was that of an image in the store that holds this one
        array = full_resolution(node)
    assert array is not None
    folder = path / array.path
    described = [file for place in (path, folder) for file in map(place.joinpath, METADATA_FILES)]
    texts = [file.read_bytes() for file in described if file.exists()]
    steps = array.shards or array.chunks
    grid = tuple(-(-size // step) for size, step in zip(array.shape, steps, strict=True))
    chosen = sample_positions(grid, N_CHUNKS)
    chunks = [folder / array.metadata.encode_chunk_key(position) for position in chosen]
    folders = {chunk.parent for chunk in chunks}
    metadata = hashlib.sha256(b"".join(texts)).hexdigest()
    return _state_of([*chunks, *sorted(folders)], metadata)


def _state_of(files: list[Path], metadata: str) -> str:
    digest = hashlib.sha256(metadata.encode())
    n_bytes = 0
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            digest.update(b"none")
            continue
        n_bytes += status.st_size
        digest.update(f"{status.st_size} {status.st_mtime_ns};".encode())
    return f"{n_bytes} bytes in {len(files)} files, {digest.hexdigest()[:12]}"


def _sample_sha256(stack: Stack) -> str:
    digest = hashlib.sha256()
    leading, (height, width) = stack.leading_shape, stack.plane_shape
    y, x = (max(0, (length - SAMPLE_SIDE) // 2) for length in (height, width))
    window = (slice(y, y + SAMPLE_SIDE), slice(x, x + SAMPLE_SIDE))
    samples = (slice(None),) if stack.is_rgb else ()
    for position in sample_positions(leading, N_SAMPLES):
        index = tuple(slice(i, i + 1) for i in position)
        digest.update(np.ascontiguousarray(stack.read((*index, *window, *samples))).tobytes())
    return digest.hexdigest()
