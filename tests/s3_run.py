"""Denoise a file into a store behind a URL, and die at the writing of a region.

``python s3_run.py MODEL SOURCE URL N`` ends with exit code 9 before the N-th region is recorded.
"""

import os
import sys

import torch

from napari_clip_denoise import denoise_to_zarr, load
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.remote.record import RemoteRecord


def main(model, source, url, last):
    """See the module."""
    torch.set_num_threads(1)
    store_layout.REGION_PIXELS = 1
    add, seen = RemoteRecord.add, []

    def dying(self, region, checksum):
        seen.append(region)
        if len(seen) == last:
            os._exit(9)
        add(self, region, checksum)

    RemoteRecord.add = dying
    denoise_to_zarr(source, url, load(model), device="cpu", check=False)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
