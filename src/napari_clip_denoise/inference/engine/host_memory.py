"""Memory of the arrays that a run keeps on the host, from their shapes."""

import math
from dataclasses import dataclass

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.buffers import CACHE_BYTES
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.engine.measured.drift import CACHE_BYTES as DRIFT_BYTES
from napari_clip_denoise.inference.engine.neighbours.average import PIECE
from napari_clip_denoise.inference.engine.region import source_window
from napari_clip_denoise.network.fusion import MARGIN

FLOAT = 4
PLANES_TO_FUSE = 12
"""Planes of intermediate results while two planes are compared."""
GAPS = 1.5
"""Memory of guides as a multiple of their size, with what the heap then holds free; measured."""


@dataclass(frozen=True)
class RegionBytes:
    """Memory in bytes of a region at each stage, from which that of a run follows.

    Attributes
    ----------
    decoded : int
        Raw values with the halo and the neighbours, chunk by chunk, while they are read;
        most of the time, one reader does so.
    read : int
        The same as one array, also on the network's scale, and the noise level where it varies.
    device : int
        Change by the network and, with neighbours, the planes averaged with them.
    finished : int
        Raw values, change and result, and the result as it is encoded.
    kept : int
        What is kept from one region to the next: guides, and spectra of planes.
    """

    decoded: int
    read: int
    device: int
    finished: int
    kept: int

    def of_run(self, n_regions: int, readers: int, writers: int) -> int:
        """Return the memory of a run.

        Parameters
        ----------
        n_regions : int
            Number of regions.
        readers, writers : int
            Number of regions that are read ahead of the one on the device, and written behind it.
        """
        ahead, behind = min(n_regions, readers + 1), min(n_regions, writers)
        arrays = ahead * self.read + self.device + behind * self.finished
        return self.decoded + arrays + self.kept


def region_bytes(job: Job, region: Region) -> RegionBytes:
    """Return the memory of a region.

    Parameters
    ----------
    job : Job
        Source, model and settings.
    region : tuple of slice
        The region, such as `largest_region`.
    """
    n_leading = len(job.stack.leading_shape)
    samples = math.prod(job.stack.shape[n_leading + 2 :])
    network = job.runner.card.network
    images = min(samples, 3) if network.channels == 1 else 1
    floats = FLOAT * images * network.channels
    index, tiles = source_window(job, region)
    window, pixels = (
        math.prod(part.stop - part.start for part in whole[: n_leading + 2])
        for whole in (index, region)
    )
    raw = samples * job.stack.dtype.itemsize
    is_level_kept = network.noise_level and not all(
        mapping.has_constant_noise for mapping in job.mapping.channels
    )
    read = window * (raw + floats + FLOAT * images * is_level_kept)
    device = pixels * floats
    kept = 0
    if job.context:
        seen = math.prod(
            min(length, tiles[-1][axis].stop) - tiles[0][axis].start
            for axis, length in enumerate(job.stack.plane_shape)
        )
        n_planes = math.prod(part.stop - part.start for part in region[:n_leading])
        device += n_planes * seen * (floats + FLOAT * images)
        device += _fusing(job, seen)
        guides = min(CACHE_BYTES, math.prod(job.stack.shape[: n_leading + 2]) * floats)
        kept = int(GAPS * guides)
        kept += DRIFT_BYTES if job.drift else 0
    finished = window * raw + pixels * (floats + 2 * samples * job.dtype.itemsize)
    return RegionBytes(window * raw, read, device, finished, kept)


def _fusing(job: Job, seen: int) -> int:
    """Return the memory that averaging a piece of a plane with its neighbours takes."""
    piece = min(seen, (PIECE + 2 * MARGIN) ** 2)
    planes = (2 * job.context + 1) * (2 * job.runner.card.network.channels + 1)
    return FLOAT * piece * (planes * (2 if job.drift else 1) + PLANES_TO_FUSE)


def largest_region(stack: Stack, shape: tuple[int, ...]) -> Region:
    """Return a region that is not cut by the end of the stack, with neighbours on all sides."""
    region = []
    for size, step in zip(stack.shape, shape, strict=True):
        n_regions = -(-size // step)
        start = max(0, min(n_regions // 2, n_regions - 2)) * step
        region.append(slice(start, min(size, start + step)))
    return tuple(region)
