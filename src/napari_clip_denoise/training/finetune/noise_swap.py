"""Swap of noise between pixels, to measure how much of the noise a network keeps."""

import numpy as np

PITCH = 4


def swap_noise(
    noisy: np.ndarray, denoised: np.ndarray, extent: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Swap the noise between pairs of pixels that have about the same value.

    The output of a network at such a pixel changes by the part of the pixel's own noise that it had
    kept. On average over these pixels, adding
    ``2 * noise * (network(noisy) - network(swapped))`` to ``(network(noisy) - noisy)**2``
    therefore yields the squared error against a second noisy image. Here, the noise is estimated
    without using the pixel itself, as `noisy` minus an estimate from `swapped`.

    This assumes that the noise of pixels further apart than `extent` is independent, but makes no
    assumption on its strength or distribution. Stein's estimate needs both: if it treats skewed
    noise as Gaussian, it prefers worse networks.

    Parameters
    ----------
    noisy, denoised : numpy.ndarray
        Noisy image and an approximation of its truth, (Y, X), float32.
    extent : (int, int)
        Reach of the noise correlation in pixels, down and across. The noise of neighbours within
        this reach is swapped together with that of the pixel.
    rng : numpy.random.Generator
        Chooses the pixels.

    Returns
    -------
    swapped : numpy.ndarray
        (Y, X), float32: `noisy` with swapped noise.
    chosen : numpy.ndarray
        (Y, X), bool: the pixels whose noise was swapped, without their neighbours.
    """
    lines = [
        np.arange(reach + int(rng.integers(PITCH)), side - reach, PITCH + 2 * reach)
        for reach, side in zip(extent, noisy.shape, strict=True)
    ]
    y, x = (line.ravel() for line in np.meshgrid(*lines, indexing="ij"))
    order = np.argsort(denoised[y, x], kind="stable")[: len(y) // 2 * 2]
    y, x = y[order], x[order]
    partner = np.arange(len(y)) ^ 1
    residual, swapped = noisy - denoised, noisy.copy()
    for dy in range(-extent[0], extent[0] + 1):
        for dx in range(-extent[1], extent[1] + 1):
            here = y + dy, x + dx
            swapped[here] = denoised[here] + residual[y[partner] + dy, x[partner] + dx]
    chosen = np.zeros(noisy.shape, bool)
    chosen[y, x] = True
    return swapped, chosen
