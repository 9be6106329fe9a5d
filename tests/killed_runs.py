"""Run a denoising again and again, killed at random moments, until it is done.

``python killed_runs.py MODEL FOLDER KILLS [CONTEXT]`` writes ``whole.ome.zarr`` without
interruption and ``killed.ome.zarr`` in many lives, and prints the kills, how many lives went on
with what an earlier one had finished, and how many began with nothing. ``CONTEXT`` is the number
of neighbouring planes on each side; they drift, and are aligned.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from napari_clip_denoise import load
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr import pyramid
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

SETTINGS = {"device": "cpu", "intensity": (0, 255), "model": "tiny"}


def one_life(path, model, stack, settings):
    """Denoise in a process of its own."""
    child = os.fork()
    if not child:
        denoise_to_file(stack, path, settings, model=model)
        os._exit(0)
    return child


def main(model_file, folder, n_kills, context=0):
    """See the module."""
    intensity = {"intensity": "anscombe"} if model_file.endswith(".zip") else {}
    settings = make_settings(**SETTINGS | intensity, context=context, context_align=context > 0)
    torch.set_num_threads(1)
    store_layout.REGION_PIXELS = 1
    store_layout.WHOLE_CHUNK_SIDE, store_layout.CHUNK_SIDE = 64, 32
    store_layout.REGION_SIDE = 64
    pyramid.SMALLEST_SIDE = 16
    model = load(model_file)
    scene = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    noisy = np.stack([scene[z : z + 48] for z in range(12)])
    noisy[3] = 0
    stack = as_stack(noisy, "zyx")

    started = time.monotonic()
    os.waitpid(one_life(folder / "whole.ome.zarr", model, stack, settings), 0)
    seconds = time.monotonic() - started

    path = folder / "killed.ome.zarr"
    finished = folder / ".killed.ome.zarr.partial" / ".progress" / "0-of-1.txt"
    moments = random.Random(0)
    kills = resumed = begun = 0
    while kills < n_kills or not path.exists():
        if path.exists():
            shutil.rmtree(path)
        has_begun = finished.exists() and ";" in finished.read_text()
        child = one_life(path, model, stack, settings)
        if kills < n_kills:
            time.sleep(moments.uniform(0, 0.9 * seconds))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif os.waitstatus_to_exitcode(status):
            sys.exit("a run failed")
        resumed += has_begun
        begun += not has_begun
    print(kills, resumed, begun)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
