"""Verification of the regions that an earlier run has stored."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid
from napari_clip_denoise.images.regions import Region

THREADS = 4

OnVerified = Callable[[int, int], object]
"""Called with the number of verified regions and that of all to verify; may raise to stop."""


def damaged_regions(
    pyramid: Pyramid,
    regions: Mapping[int, Region],
    recorded: Mapping[int, Checksum],
    on_verified: OnVerified | None = None,
) -> set[int]:
    """Return the numbers of the regions whose files have changed since they were recorded.

    Parameters
    ----------
    pyramid : Pyramid
        The arrays of the store.
    regions : mapping of int to tuple of slice
        Regions to look at, by their number.
    recorded : mapping of int to (int, int)
        Checksum of each finished region, by its number.
    on_verified : callable, optional
        Called after each region; an exception that it raises stops the verification.

    Returns
    -------
    set of int
        Those of `regions` that are recorded and damaged.
    """
    finished = [number for number in regions if number in recorded]
    damaged = set()
    pool = ThreadPoolExecutor(THREADS)
    try:
        checksums = pool.map(lambda number: pyramid.checksum(regions[number]), finished)
        for done, (number, checksum) in enumerate(zip(finished, checksums, strict=True), 1):
            if checksum != recorded[number]:
                damaged.add(number)
            if on_verified is not None:
                on_verified(done, len(finished))
    finally:
        pool.shutdown(cancel_futures=True)
    return damaged
