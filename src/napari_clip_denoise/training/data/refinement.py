"""A few noisy planes and their denoised versions, which serve as clean images in training."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.images.intensity import ChannelMapping, Intensity, IntensityMapping
from napari_clip_denoise.images.noise_level import noise_level_map
from napari_clip_denoise.images.stack import Stack, as_stack
from napari_clip_denoise.network.config import STRIDE
from napari_clip_denoise.network.inference import Network, self_ensemble
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.training.data.noise_measurement import measure_camera
from napari_clip_denoise.training.data.patch_pool import PatchPool
from napari_clip_denoise.training.data.patches import PatchSource, some

REFINED_PIXELS = 2**22
"""Total number of pixels to denoise, about 20 seconds on one core with ``compact``."""
LARGEST_SIDE = 1024


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Pieces of one channel of a stack, in memory.

    Attributes
    ----------
    stack : Stack
        The pieces, with the axes zyx or zyxs.
    mapping : ChannelMapping
        Intensity mapping of the whole channel.
    """

    stack: Stack
    mapping: ChannelMapping

    @property
    def source(self) -> PatchSource:
        """Return the noisy pieces, for validation."""
        return PatchSource(self.stack, IntensityMapping((self.mapping,)))

    def refined(self, network: Network, noise: CameraNoise, samples: int) -> PatchSource:
        """Denoise the pieces, and add noise to the result at each read.

        Parameters
        ----------
        network : callable
            Denoises (N, C, Y, X) on the network's scale; told the noise level if the mapping
            knows the noise.
        noise : CameraNoise
            Noise on the raw scale.
        samples : {1, 3}
            3 if the network processes RGB samples together, 1 if one by one.

        Returns
        -------
        PatchSource
            Source of patches for training.
        """
        noisy = np.asarray(self.stack.array)
        clean = np.empty(noisy.shape, np.result_type(noisy, np.float32))
        for number, piece in enumerate(noisy):
            finite = np.isfinite(piece)
            known = piece if finite.all() else np.where(finite, piece, piece[finite].mean())
            unit = self.mapping.normalize(known)
            level = noise_level_map(known, self.mapping) if self.mapping.noise else None
            change = _denoised(network, unit, level, samples) - unit
            clean[number] = piece + self.mapping.denormalize_change(known, change)
        other = replace(self.stack, array=clean)
        return replace(self.source, other=other, is_clean=True, noise=noise)


def excerpts(sources: list[PatchSource]) -> list[Excerpt]:
    """Cut evenly spaced pieces from all sources and channels, about `REFINED_PIXELS` in total."""
    largest = max(
        math.prod(min(n, LARGEST_SIDE) for n in source.stack.plane_shape) for source in sources
    )
    room = max(PatchPool.EVERY, REFINED_PIXELS // largest)
    channels = [
        (source, channel)
        for source in some(sources, room)
        for channel in range(_n_channels(source.stack))
    ]
    count = max(1, room // len(channels))
    return [_excerpt(source, channel, count) for source, channel in channels]


def cameras(taken: list[Excerpt], intensity: Intensity) -> list[CameraNoise]:
    """Measure the noise of each excerpt; one too flat or small to measure gets that of another.

    Raises
    ------
    InputError
        If all excerpts together are too small to measure.
    """
    found = [_camera(excerpt, intensity) for excerpt in taken]
    known = [noise for noise in found if noise is not None]
    other = known[0] if known else measure_camera([excerpt.stack for excerpt in taken], intensity)
    return [noise or other for noise in found]


def _camera(excerpt: Excerpt, intensity: Intensity) -> CameraNoise | None:
    try:
        return measure_camera([excerpt.stack], intensity)
    except InputError:
        return None


def _excerpt(source: PatchSource, channel: int, count: int) -> Excerpt:
    stack, mapping = source.stack, source.mapping
    assert mapping is not None
    leading = leading_axes(stack.axes)
    sizes = [1 if axis == "c" else n for axis, n in zip(leading, stack.leading_shape, strict=True)]
    rows, columns = (pieces(length) for length in stack.plane_shape)
    grid = (*sizes, len(rows), len(columns))
    cut = []
    for flat in some(range(math.prod(grid)), count):
        *position, row, column = (int(i) for i in np.unravel_index(flat, grid))
        if "c" in leading:
            position[leading.index("c")] = channel
        cut.append(stack.read_plane(position, (rows[row], columns[column])))
    axes = "zyxs" if stack.is_rgb else "zyx"
    return Excerpt(as_stack(np.stack(cut), axes, name=stack.name), mapping.channel(channel))


def pieces(length: int) -> list[slice]:
    """Split an axis into centred pieces of equal length."""
    step = min(length, LARGEST_SIDE)
    first = length % step // 2
    return [slice(start, start + step) for start in range(first, length - step + 1, step)]


def _n_channels(stack: Stack) -> int:
    return stack.shape[stack.axes.index("c")] if "c" in stack.axes else 1


@torch.no_grad()
def _denoised(
    network: Network, unit: np.ndarray, level: np.ndarray | None, samples: int
) -> np.ndarray:
    """Denoise a plane (Y, X) or (Y, X, 3) of a noise level of the same shape."""
    height, width = unit.shape[:2]
    images = _padded(unit, samples)
    levels = None
    if level is not None:
        levels = _padded(level, samples).square().mean(dim=1, keepdim=True).sqrt()
    result = self_ensemble(network, images, levels)[..., :height, :width]
    return np.moveaxis(result.reshape(-1, height, width).numpy(), 0, -1).reshape(unit.shape)


def _padded(plane: np.ndarray, samples: int) -> Tensor:
    """Convert a plane (Y, X) or (Y, X, 3) to images (N, samples, H, W)."""
    height, width = plane.shape[:2]
    colours = np.moveaxis(plane.reshape(height, width, -1), -1, 0)
    images = torch.from_numpy(colours.reshape(-1, samples, height, width).copy())
    return pad(images, (0, -width % STRIDE, 0, -height % STRIDE), mode="reflect")
