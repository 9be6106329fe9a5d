"""Let runs die at each of their steps on disk, and complete them.

``python dying_runs.py MODEL FOLDER RUNS`` begins `RUNS` runs that replace an older result, each of
which dies at another call of the operating system, spread evenly over all of a run. After each
death it checks what stands under the final name, and that the next run ends with the bytes of one
that was not disturbed. It prints how many runs died.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from napari_clip_denoise import load
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr import pyramid
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from stores import files_of

SETTINGS = make_settings(device="cpu", intensity=(0, 255), model="tiny")
CALLS = ("rename", "replace", "unlink", "rmdir", "mkdir", "fsync", "link", "open")
DEAD = 9


class Steps:
    """Counts the calls that change the disk, and dies at one of them."""

    def __init__(self, last: int | None):
        self.count = 0
        self._last = last
        for name in CALLS:
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call):
        def counted(*arguments, **options):
            self.count += 1
            if self.count == self._last:
                os._exit(DEAD)
            return call(*arguments, **options)

        return counted


def one_life(path, model, stack, last=None):
    """Denoise in a process of its own; return its exit code and the number of its steps."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        steps = Steps(last)
        denoise_to_file(stack, path, SETTINGS, model=model, overwrite=True)
        os.write(writer, str(steps.count).encode())
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    count = os.read(reader, 20)
    os.close(reader)
    return os.waitstatus_to_exitcode(status), int(count or 0)


def main(model_file, folder, n_runs):
    """See the module."""
    torch.set_num_threads(1)
    store_layout.REGION_PIXELS = 1
    store_layout.WHOLE_CHUNK_SIDE, store_layout.CHUNK_SIDE = 64, 32
    store_layout.REGION_SIDE = 64
    pyramid.SMALLEST_SIDE = 16
    model = load(model_file)
    generator = np.random.default_rng(0)
    stack, before = (
        as_stack(generator.integers(0, 255, (2, 48, 80), np.uint8), "zyx") for _ in range(2)
    )
    died = 0
    for suffix in (".ome.zarr", ".tif"):
        path = folder / f"new{suffix}"
        for given, name in ((before, "old"), (stack, "new")):
            code, total = one_life(folder / f"{name}{suffix}", model, given)
            assert code == 0
        old, new = (contents(folder / f"{name}{suffix}") for name in ("old", "new"))
        for last in sorted({*np.linspace(1, total, n_runs // 2).astype(int)}):
            remove(path)
            copy = shutil.copytree if suffix == ".ome.zarr" else shutil.copy
            copy(folder / f"old{suffix}", path)
            code, _ = one_life(path, model, stack, last)
            died += code == DEAD
            assert not path.exists() or contents(path) in (old, new), last
            code, _ = one_life(path, model, stack)
            assert code == 0, last
            assert contents(path) == new, last
            assert len(list(folder.iterdir())) == (2 if suffix == ".ome.zarr" else 4), last
    print(died)


def contents(path):
    """Return the bytes of a file, or of all files of a store."""
    return path.read_bytes() if path.is_file() else files_of(path)


def remove(path):
    """Remove a file or a store."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
