"""Planes of a source as images for the network, with their noise level, and back."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from napari_clip_denoise.images.intensity import ChannelMapping
from napari_clip_denoise.images.noise_level import noise_level_map

BAND_SAMPLES = 2**17
"""Samples that are mapped at a time, so that they stay in the CPU cache."""


def to_network(planes: np.ndarray, channels: int) -> np.ndarray:
    """Convert planes (N, Y, X, S) to images (M, channels, Y, X) for the network.

    A network of one channel gets each sample as an image of its own, one of three channels gets a
    gray plane three times.
    """
    moved = np.moveaxis(planes, -1, 1)
    n_planes, n_samples, height, width = moved.shape
    if channels == 1:
        return moved.reshape(n_planes * n_samples, 1, height, width)
    return moved if n_samples == channels else np.repeat(moved, channels, axis=1)


def from_network(images: np.ndarray, n_planes: int, n_samples: int) -> np.ndarray:
    """Convert images (M, channels, Y, X) back to planes (N, Y, X, S).

    Parameters
    ----------
    images : numpy.ndarray
        Images in the layout of the network.
    n_planes : int
        Number of planes N.
    n_samples : int
        Number of samples per pixel S, such as 3 for RGB. If each of them went through the network
        by itself, repeated in all channels, the channels of the result are averaged.
    """
    n_images, channels, height, width = images.shape
    if n_images == n_planes * n_samples and n_samples != channels:
        images = images.mean(axis=1)
    return np.moveaxis(images.reshape(n_planes, n_samples, height, width), 1, -1)


def noise_levels(
    planes: np.ndarray, mappings: Sequence[ChannelMapping], channels: int
) -> np.ndarray:
    """Return the noise level of each pixel on the network's scale.

    Parameters
    ----------
    planes : numpy.ndarray
        Raw values (N, Y, X, S), finite. The level of noise that depends on the value is taken at
        their local mean.
    mappings : sequence of ChannelMapping
        Mapping of each plane.
    channels : int
        Channels of the network.

    Returns
    -------
    numpy.ndarray
        Standard deviation (M images, 1, Y, X), float32, NaN where unknown; over the samples of an
        image, it is the root of the mean variance. A read-only view of one value per
        image if it is the same everywhere.
    """
    if is_constant := all(mapping.has_constant_noise for mapping in mappings):
        shape, planes = planes.shape[1:3], planes[:, :1, :1]
    levels = np.empty(planes.shape, np.float32)
    for level, plane, mapping in zip(levels, planes, mappings, strict=True):
        level[...] = noise_level_map(plane, mapping)
    np.square(levels, out=levels)
    images = to_network(levels, channels).mean(axis=1, keepdims=True)
    np.sqrt(images, out=images)
    return np.broadcast_to(images, (*images.shape[:2], *shape)) if is_constant else images


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Split planes (N, Y, X, S) into bands of rows that fit into the CPU cache."""
    height = max(1, BAND_SAMPLES // math.prod(shape[2:]))
    return (slice(start, start + height) for start in range(0, shape[1], height))
