"""Clean images: folders of them, simulation, textures and the samples of scikit-image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.table import SUFFIXES
from napari_clip_denoise.images.sampling import sample_positions
from napari_clip_denoise.noise.simulation import STRUCTURES, fluorescence
from napari_clip_denoise.noise.textures import texture
from napari_clip_denoise.training.data.settings import ImageGroup

MAX_PLANES_PER_FILE = 24
SAMPLES = (
    "astronaut", "camera", "cell", "chelsea", "coffee", "coins", "hubble_deep_field",
    "immunohistochemistry", "moon", "page", "retina", "rocket",
)  # fmt: skip


@dataclass(frozen=True)
class CleanPlane:
    """Clean plane (Y, X) or (Y, X, S) as stored, and the raw values that become 0 and 1."""

    pixels: np.ndarray
    low: float
    high: float


def read_group(group: ImageGroup, data: Path, smallest: int) -> list[CleanPlane]:
    """Read the planes of a group into memory, at most `MAX_PLANES_PER_FILE` per file.

    Constant planes are left out. So are planes with a side of fewer than `smallest` pixels, unless
    the group pads them.

    Parameters
    ----------
    group : ImageGroup
        The group to read.
    data : Path
        Data folder that contains the folder of the group.
    smallest : int
        Minimum side of a plane in pixels.

    Returns
    -------
    list of CleanPlane
        The planes.

    Raises
    ------
    InputError
        If the folder contains no usable image.
    """
    planes = []
    for path in sorted((data / group.folder).rglob("*")):
        if not path.is_file() or not path.name.lower().endswith(SUFFIXES):
            continue
        stack = open_stack(path)
        if min(stack.plane_shape) < smallest and not group.pad:
            continue
        for leading in sample_positions(stack.leading_shape, MAX_PLANES_PER_FILE):
            index = (
                *(slice(i, i + 1) for i in leading),
                *(slice(None),) * (stack.ndim - len(leading)),
            )
            pixels = stack.read(index).reshape(stack.shape[len(leading) :])
            low, high = group.values or _range(pixels, group.normalise)
            if high > low:
                planes.append(CleanPlane(_padded(pixels, smallest), low, high))
    if not planes:
        raise InputError(
            f"No image of at least {smallest} pixels a side was found in {data / group.folder}; "
            "give the folder that holds the recipe's image groups."
        )
    return planes


def simulate_planes(count: int, size: int, seed: int) -> list[CleanPlane]:
    """Simulate fluorescence planes of varied structure and sharpness.

    Parameters
    ----------
    count : int
        Number of planes.
    size : int
        Side of a plane in pixels.
    seed : int
        Seed of the simulation.

    Returns
    -------
    list of CleanPlane
        The planes.
    """
    rng = np.random.default_rng([seed, 1])
    names = tuple(STRUCTURES)
    planes = []
    for _ in range(count):
        chosen = tuple(rng.choice(names, rng.integers(1, 4), replace=False))
        width = rng.uniform(0.8, 2.5)
        image = fluorescence(
            (size, size), chosen, psf=(width, width, width), haze=rng.uniform(0, 0.3), seed=rng
        )
        planes.append(CleanPlane(image.astype(np.float16), 0.0, 1.0))
    return planes


def texture_planes(count: int, size: int, seed: int) -> list[CleanPlane]:
    """Draw planes of random textures.

    Parameters
    ----------
    count : int
        Number of planes.
    size : int
        Side of a plane in pixels.
    seed : int
        Seed of the textures.
    """
    rng = np.random.default_rng([seed, 2])
    drawn = (texture(size, rng) for _ in range(count))
    return [CleanPlane(plane.astype(np.float16), 0.0, 1.0) for plane in drawn]


def sample_planes() -> list[CleanPlane]:
    """Read the photographs and micrographs included in scikit-image; nothing is downloaded."""
    images = [getattr(skimage.data, name)() for name in SAMPLES]
    return [CleanPlane(image, 0.0, 255.0) for image in images]


def _padded(pixels: np.ndarray, smallest: int) -> np.ndarray:
    """Continue a plane (Y, X) or (Y, X, S) to a least side, mirrored at the bottom and right."""
    missing = [max(0, smallest - side) for side in pixels.shape[:2]]
    widths = [(0, width) for width in missing] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, widths, mode="symmetric") if any(missing) else pixels


def _range(pixels: np.ndarray, normalise: bool) -> tuple[float, float]:
    if not normalise and np.issubdtype(pixels.dtype, np.integer):
        return 0.0, float(np.iinfo(pixels.dtype).max)
    low, high = np.quantile(pixels, (0.001, 0.999))
    return float(low), float(high)
