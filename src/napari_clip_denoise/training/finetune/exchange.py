"""Exchanging the noise of some pixels, which tells how much of it a network keeps."""

import numpy as np

PITCH = 4


def exchange_noise(
    noisy: np.ndarray, denoised: np.ndarray, extent: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Let pixels of about the same value exchange their noise, two and two.

    What a network gives at such a pixel changes by what it had kept of the pixel's own noise. So
    on average over these pixels ``2 * noise * (network(noisy) - network(exchanged))`` is what
    lacks to ``(network(noisy) - noisy)**2`` to make it the squared error against a second noisy
    image. Here noise is told without the pixel itself, as `noisy` less an estimate from
    `exchanged`.

    This supposes that the noise of pixels further apart than `extent` is independent, but not how
    strong the noise is, nor how it is distributed. Stein's estimate needs both: where it takes
    skewed noise for Gaussian, it calls networks better that are worse.

    Parameters
    ----------
    noisy, denoised : numpy.ndarray
        (Y, X), float32, and what is about its truth.
    extent : (int, int)
        How far noise is correlated, down and across; so much around a pixel goes with it.
    rng : numpy.random.Generator
        Chooses the pixels.

    Returns
    -------
    exchanged : numpy.ndarray
        (Y, X), float32: `noisy` with noise exchanged.
    chosen : numpy.ndarray
        (Y, X), bool: the pixels whose noise was exchanged, without those that went with them.
    """
    lines = [
        np.arange(reach + int(rng.integers(PITCH)), side - reach, PITCH + 2 * reach)
        for reach, side in zip(extent, noisy.shape, strict=True)
    ]
    y, x = (line.ravel() for line in np.meshgrid(*lines, indexing="ij"))
    order = np.argsort(denoised[y, x], kind="stable")[: len(y) // 2 * 2]
    y, x = y[order], x[order]
    partner = np.arange(len(y)) ^ 1
    residual, exchanged = noisy - denoised, noisy.copy()
    for dy in range(-extent[0], extent[0] + 1):
        for dx in range(-extent[1], extent[1] + 1):
            here = y + dy, x + dx
            exchanged[here] = denoised[here] + residual[y[partner] + dy, x[partner] + dx]
    chosen = np.zeros(noisy.shape, bool)
    chosen[y, x] = True
    return exchanged, chosen
