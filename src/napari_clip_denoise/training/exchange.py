"""Exchanging the noise of some pixels, which tells how much of it a network keeps."""

import numpy as np
from scipy.ndimage import correlate

PITCH = 4


def exchange_noise(
    noisy: np.ndarray, extent: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Exchange the noise of some pixels for that of others nearby.

    What a network makes of such a pixel changes by what it had kept of the pixel's own noise. On
    average over the pixels ``2 * noise * (denoised - denoised_exchanged)`` is therefore what
    lacks to ``(denoised - noisy)**2``, to make it the squared error against a second noisy image.

    This supposes that the noise of pixels further apart than `extent` is independent, but not how
    strong the noise is, nor how it is distributed. Stein's estimate needs both: it calls networks
    better that are worse, where it takes skewed noise, as of an EMCCD, for Gaussian.

    Parameters
    ----------
    noisy : numpy.ndarray
        (N, C, Y, X).
    extent : (int, int)
        How far noise is correlated, down and across; so much around a pixel is exchanged with it.
    rng : numpy.random.Generator
        Chooses the pixels, and those whose noise they get.

    Returns
    -------
    exchanged, noise : numpy.ndarray
        (N, C, Y, X), float32: the noisy images with other noise at some pixels; and about the
        noise that these had, over their share of all pixels, 0 at the others.
    """
    own, other = (noisy - _around(noisy, extent, half) for half in (0, 1))
    lines, shift = [], []
    for reach, side in zip(extent, noisy.shape[-2:], strict=True):
        pitch = PITCH + 2 * reach
        begin = int(rng.integers(pitch))
        lines.append((np.arange(side) + begin) % pitch - pitch // 2)
        shift.append(int(rng.choice((-1, 1)) * (pitch + rng.integers(3))))
    down, across = (np.abs(line) for line in np.ix_(*lines))
    near = (down <= extent[0]) & (across <= extent[1])
    middle = (down == 0) & (across == 0)
    exchanged = np.where(near, noisy - other + np.roll(other, shift, (-2, -1)), noisy)
    noise = np.where(middle, own, 0) / middle.mean()
    return exchanged.astype(np.float32), noise.astype(np.float32)


def _around(noisy: np.ndarray, extent: tuple[int, int], half: int) -> np.ndarray:
    """Tell each pixel from those around it, without itself and those that share its noise.

    A parabola is fitted to every other pixel, as on a chessboard, so that the noise of the two
    halves is independent.
    """
    steps = (np.arange(-2 * reach - 3, 2 * reach + 4) for reach in extent)
    down, across = (side.ravel() for side in np.meshgrid(*steps, indexing="ij"))
    shape = tuple(4 * reach + 7 for reach in extent)
    weight = np.exp(-((down / (1 + extent[0])) ** 2 + (across / (1 + extent[1])) ** 2) / 2)
    weight[(np.abs(down) <= extent[0]) & (np.abs(across) <= extent[1])] = 0
    weight[(down + across) % 2 == half] = 0
    parabola = np.stack([np.ones(down.size), down**2, across**2])
    kernel = np.linalg.solve((weight * parabola) @ parabola.T, weight * parabola)[0]
    return correlate(noisy, kernel.reshape(1, 1, *shape).astype(np.float32))
