"""Denoise a plate again and again, killed at random moments, until it is done.

``python killed_plates.py MODEL FOLDER KILLS`` denoises ``plate.ome.zarr`` to ``whole.ome.zarr``
without interruption and to ``killed.ome.zarr`` in many lives, and prints the kills.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from napari_clip_denoise import denoise_plate, load
from napari_clip_denoise.formats.ome_zarr import layout as store_layout


def one_life(folder, name, model):
    """Denoise in a process of its own."""
    child = os.fork()
    if not child:
        denoise_plate(folder / "plate.ome.zarr", folder / name, model, device="cpu", check=False)
        os._exit(0)
    return child


def main(model_file, folder, n_kills):
    """See the module."""
    torch.set_num_threads(1)
    store_layout.REGION_PIXELS = 1
    model = load(model_file)
    started = time.monotonic()
    os.waitpid(one_life(folder, "whole.ome.zarr", model), 0)
    seconds = time.monotonic() - started
    moments = random.Random(0)
    kills = 0
    while not (folder / "killed.ome.zarr").exists():
        child = one_life(folder, "killed.ome.zarr", model)
        if kills < n_kills:
            time.sleep(moments.uniform(0.2, 0.6) * seconds)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif os.waitstatus_to_exitcode(status):
            sys.exit("a run failed")
    print(kills)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
