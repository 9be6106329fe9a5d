"""Telling whether a source is still what it was."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.images.source import Stack

N_SAMPLES = 16
SAMPLE_SIDE = 64


def identify(stack: Stack) -> dict[str, Any]:
    """Describe a source so that a later change of it is noticed.

    Parameters
    ----------
    stack : Stack
        The source.

    Returns
    -------
    dict
        Shape, type and axes, number, bytes and latest change of its files, and the SHA-256 of a
        few small pieces, which is all that tells arrays in memory apart.
    """
    n_files, n_bytes, changed = _files(stack.path) if stack.path is not None else (0, 0, 0)
    return {
        "source": _place(stack),
        "source shape": f"{' x '.join(map(str, stack.shape))} {stack.axes} {stack.dtype}",
        "source files": f"{n_files} of {n_bytes} bytes, changed at {changed}",
        "source pixels": _sample_sha256(stack),
    }


def _place(stack: Stack) -> str:
    if stack.path is None or stack.is_private:
        return stack.name
    return str(stack.path.resolve())


def _files(path: Path) -> tuple[int, int, int]:
    if not path.is_dir():
        status = path.stat()
        return 1, status.st_size, status.st_mtime_ns
    count, n_bytes, changed = 0, 0, 0
    folders = [os.fspath(path)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    status = entry.stat()
                    count, n_bytes = count + 1, n_bytes + status.st_size
                    changed = max(changed, status.st_mtime_ns)
    return count, n_bytes, changed


def _sample_sha256(stack: Stack) -> str:
    digest = hashlib.sha256()
    leading, (height, width) = stack.leading_shape, stack.plane_shape
    y, x = (max(0, (length - SAMPLE_SIDE) // 2) for length in (height, width))
    window = (slice(y, y + SAMPLE_SIDE), slice(x, x + SAMPLE_SIDE))
    samples = (slice(None),) if stack.is_rgb else ()
    chosen = np.linspace(0, stack.n_planes - 1, min(stack.n_planes, N_SAMPLES)).round()
    for flat in chosen.astype(np.int64):
        position = np.unravel_index(flat, leading) if leading else ()
        index = tuple(slice(int(i), int(i) + 1) for i in position)
        digest.update(np.ascontiguousarray(stack.read((*index, *window, *samples))).tobytes())
    return digest.hexdigest()
