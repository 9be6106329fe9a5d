"""Simulated fluorescence images with known ground truth.

Structures are drawn as float32 volumes (Z, Y, X); a plane is a volume of one slice. Lengths are in
voxels.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

Shape = tuple[int, int, int]


def points(shape: Shape, rng: np.random.Generator, density: float = 2e-4) -> np.ndarray:
    """Draw point-like emitters of log-normal brightness.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    rng : numpy.random.Generator
        Random generator.
    density : float
        Expected emitters per voxel.
    """
    volume = np.zeros(shape, np.float32)
    n_points = max(1, rng.poisson(density * volume.size))
    where = tuple(rng.integers(0, size, n_points) for size in shape)
    np.add.at(volume, where, rng.lognormal(0, 0.6, n_points).astype(np.float32))
    return volume


def filaments(shape: Shape, rng: np.random.Generator, density: float = 1.2e-4) -> np.ndarray:
    """Draw smoothly curved filaments.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    rng : numpy.random.Generator
        Random generator.
    density : float
        Expected filaments per voxel, counting at most 8 slices.
    """
    volume = np.zeros(shape, np.float32)
    depth, height, width = shape
    n_filaments = max(2, rng.poisson(density * height * width * min(depth, 8)))
    n_steps = 3 * max(height, width)
    step = 0.5
    angle = rng.uniform(0, 2 * np.pi, (n_filaments, 1)) + np.cumsum(
        rng.normal(0, 0.02, (n_filaments, n_steps)), axis=1
    )
    start = rng.uniform(0, 1, (3, n_filaments, 1)) * np.reshape(shape, (3, 1, 1))
    slope = rng.normal(0, 0.1, (n_filaments, 1)) * (depth > 1)
    path = np.stack(
        [
            start[0] + slope * step * np.arange(n_steps),
            start[1] + np.cumsum(step * np.sin(angle), axis=1),
            start[2] + np.cumsum(step * np.cos(angle), axis=1),
        ]
    )
    brightness = np.broadcast_to(rng.uniform(0.4, 1, (n_filaments, 1)), path.shape[1:])
    index = np.floor(path).astype(int)
    inside = np.all((index >= 0) & (index < np.reshape(shape, (3, 1, 1))), axis=0)
    np.add.at(volume, tuple(index[:, inside]), brightness[inside].astype(np.float32))
    return volume


def membranes(shape: Shape, rng: np.random.Generator, spacing: float = 40.0) -> np.ndarray:
    """Draw membranes between Voronoi cells.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    rng : numpy.random.Generator
        Random generator.
    spacing : float
        Approximate distance between cell centres.
    """
    seeds, grid = _cells(shape, rng, spacing)
    distance, _ = cKDTree(seeds).query(grid, k=2)
    gap = (distance[:, 1] - distance[:, 0]).reshape(shape)
    return np.exp(-np.square(gap / 2)).astype(np.float32)


def striations(shape: Shape, rng: np.random.Generator, spacing: float = 60.0) -> np.ndarray:
    """Draw cells with transverse bands 3 to 16 voxels apart, as in muscle.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    rng : numpy.random.Generator
        Random generator.
    spacing : float
        Approximate distance between cell centres.
    """
    seeds, grid = _cells(shape, rng, spacing)
    _, cell = cKDTree(seeds).query(grid)
    direction = rng.standard_normal(seeds.shape) * (np.array(shape) > 1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    frequency = np.exp(-rng.uniform(np.log(3), np.log(16), len(seeds)))
    bend = gaussian_filter(rng.standard_normal(shape), [12 if n > 1 else 0 for n in shape])
    bend *= rng.uniform(0, 0.6) / max(float(bend.std()), 1e-6)
    along = np.sum(grid * direction[cell], axis=1) * frequency[cell]
    bands = np.cos(2 * np.pi * (along + bend.ravel())) * rng.uniform(0.2, 1, len(seeds))[cell]
    brightness = rng.uniform(0.1, 1, len(seeds))[cell]
    return (brightness * (1 + bands)).reshape(shape).astype(np.float32)


def nuclei(shape: Shape, rng: np.random.Generator, radius: float = 14.0) -> np.ndarray:
    """Draw ellipsoidal nuclei with a mottled interior.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    rng : numpy.random.Generator
        Random generator.
    radius : float
        Approximate radius.
    """
    volume = np.zeros(shape, np.float32)
    area = shape[1] * shape[2]
    n_nuclei = max(2, rng.poisson(0.25 * area / (np.pi * radius**2) * max(1, shape[0] / 24)))
    texture = gaussian_filter(
        rng.standard_normal(shape, np.float32), (1.0 if shape[0] > 1 else 0, 2.5, 2.5)
    )
    texture = 1 + 0.35 * texture / max(float(texture.std()), 1e-6)
    axes = [np.arange(size, dtype=np.float32) for size in shape]
    for _ in range(n_nuclei):
        centre = rng.uniform(0, 1, 3) * np.array(shape)
        radii = radius * rng.uniform(0.7, 1.3, 3) * np.array([0.6, 1, 1])
        window = tuple(
            slice(max(0, int(c - r)), int(c + r) + 2) for c, r in zip(centre, radii, strict=True)
        )
        squared = sum(
            np.reshape(((axis[w] - c) / r) ** 2, [-1 if i == k else 1 for i in range(3)])
            for k, (axis, w, c, r) in enumerate(zip(axes, window, centre, radii, strict=True))
        )
        body = rng.uniform(0.4, 1) * (np.asarray(squared) < 1)
        volume[window] = np.maximum(volume[window], body)
    return volume * np.clip(texture, 0.1, None)


def _cells(shape: Shape, rng: np.random.Generator, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return cell centres about `spacing` apart, and the positions of all voxels, both (N, 3)."""
    plane_cells = shape[1] * shape[2] / spacing**2
    n_cells = max(4, round(plane_cells * (max(1, shape[0] / spacing) if shape[0] > 1 else 1)))
    seeds = rng.uniform(0, 1, (n_cells, 3)) * np.array(shape) * (np.array(shape) > 1)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return seeds, grid.reshape(-1, 3)


STRUCTURES: dict[str, Callable[[Shape, np.random.Generator], np.ndarray]] = {
    "points": points,
    "filaments": filaments,
    "membranes": membranes,
    "striations": striations,
    "nuclei": nuclei,
}


def fluorescence(
    shape: tuple[int, ...],
    structures: tuple[str, ...] = ("nuclei", "filaments", "points"),
    *,
    psf: tuple[float, float, float] = (1.8, 1.2, 1.2),
    haze: float = 0.1,
    seed: int | np.random.Generator = 0,
) -> np.ndarray:
    """Simulate a noise-free fluorescence image.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) or (Z, Y, X).
    structures : tuple of str
        Names of the structures to draw, from `STRUCTURES`; all have similar brightness.
    psf : tuple of float
        Standard deviations (z, y, x) of the Gaussian point-spread function, in voxels.
    haze : float
        Fraction of out-of-focus light, added as a strongly blurred copy.
    seed : int or numpy.random.Generator
        Seed, or random generator.

    Returns
    -------
    numpy.ndarray
        float32 of shape `shape`; 0 is no light, and 1 is the 99.9th percentile.
    """
    rng = np.random.default_rng(seed)
    full: Shape = (1, *shape) if len(shape) == 2 else shape  # type: ignore[assignment]
    widths = np.array(psf) if full[0] > 1 else np.array([0, *psf[1:]])
    image = np.zeros(full, np.float32)
    for name in structures:
        drawn = gaussian_filter(STRUCTURES[name](full, rng), widths)
        image += rng.uniform(0.5, 1) * drawn / max(float(np.quantile(drawn, 0.999)), 1e-6)
    if haze:
        image = (1 - haze) * image + haze * gaussian_filter(image, 8 * widths)
    return (image / max(float(np.quantile(image, 0.999)), 1e-6)).reshape(shape)
