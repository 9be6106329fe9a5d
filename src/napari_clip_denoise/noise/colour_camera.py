"""Noise of a colour camera's raw pixels after in-camera processing.

An RGB image is converted back to raw pixels, noise is added there, and the result is processed to
RGB again. This correlates the noise between neighbouring pixels and colours.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate

RGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
"""Colour matrices of four cameras, from Brooks et al."""
GAMMA = (1.8, 2.6)
CONTRAST = (0.0, 0.5)
WHITE_BALANCE = (0.75, 1.0)

CROSS = np.array(
    [[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]]
)
ALONG_ROWS = np.array(
    [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]]
)
DIAGONAL = np.array(
    [[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]]
)


@dataclass(frozen=True)
class RawCamera:
    """Raw-pixel noise of a random colour camera.

    Tone curve, colour matrix, white balance and Bayer pattern are drawn for each image. Without
    noise, an image is unchanged except for the loss by demosaicing.

    Parameters
    ----------
    signal : float
        Standard deviation of the signal-dependent noise, relative to the raw value.
    constant : float
        Standard deviation of the constant noise, for raw values in [0, 1].

    References
    ----------
    Guo et al., "Toward convolutional blind denoising of real photographs", CVPR 2019. Brooks et
    al., "Unprocessing images for learned raw denoising", CVPR 2019.
    """

    signal: float
    constant: float

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise to an image (3, Y, X) with values in [0, 1]; so is the result."""
        values, tones = tone_curve(rng.uniform(*GAMMA), rng.uniform(*CONTRAST))
        to_camera = camera_matrix(rng.dirichlet(np.ones(len(XYZ_TO_CAMERA))))
        balance = np.array([rng.uniform(*WHITE_BALANCE), 1, rng.uniform(*WHITE_BALANCE)])
        colour = bayer_colours(clean.shape[-2:], *rng.integers(0, 2, 2))

        linear = np.interp(np.clip(clean, 0, 1), tones, values)
        camera = np.tensordot(to_camera, linear, 1).clip(0, 1) * balance[:, None, None]
        raw = np.take_along_axis(camera, colour[None], axis=0)[0]
        raw = raw * (1 + self.signal * rng.standard_normal(raw.shape))
        raw = (raw + self.constant * rng.standard_normal(raw.shape)).clip(0, 1)

        balanced = (raw / balance[colour]).clip(0, 1)
        developed = np.tensordot(np.linalg.inv(to_camera), demosaic(balanced, colour), 1)
        return np.interp(developed.clip(0, 1), values, tones).astype(np.float32)


def tone_curve(gamma: float, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate an increasing curve from linear values to tones, both in [0, 1].

    Parameters
    ----------
    gamma : float
        Exponent of the display.
    contrast : float
        Weight of an additional S-shaped curve, 0 to 1.

    Returns
    -------
    values, tones : numpy.ndarray
        (N,), in increasing order.
    """
    values = np.linspace(0, 1, 4096) ** 2
    tones = values ** (1 / gamma)
    return values, (1 - contrast) * tones + contrast * (3 - 2 * tones) * tones**2


def camera_matrix(weights: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) from linear RGB to a mixture of cameras, which preserves white.

    `weights` (4,) are those of the matrices in `XYZ_TO_CAMERA`.
    """
    matrix = np.tensordot(weights, XYZ_TO_CAMERA, 1) @ RGB_TO_XYZ
    return matrix / matrix.sum(axis=1, keepdims=True)


def bayer_colours(shape: tuple[int, ...], row: int, column: int) -> np.ndarray:
    """Return the colour of each pixel of a Bayer pattern: 0 for red, 1 for green, 2 for blue.

    Parameters
    ----------
    shape : tuple of int
        (Y, X).
    row, column : {0, 1}
        Position of the first red pixel.
    """
    red_row = (np.arange(shape[0])[:, None] - row) % 2 == 0
    red_column = (np.arange(shape[1])[None] - column) % 2 == 0
    return np.where(red_row & red_column, 0, np.where(red_row | red_column, 1, 2))


def demosaic(raw: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Interpolate raw pixels (Y, X) to RGB (3, Y, X).

    `colour` (Y, X) is the colour of each pixel, see `bayer_colours`.

    References
    ----------
    Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned
    color images", ICASSP 2004.
    """
    cross, rows, columns, diagonal = (
        correlate(raw, kernel / 16, mode="mirror")
        for kernel in (CROSS, ALONG_ROWS, ALONG_ROWS.T, DIAGONAL)
    )
    green = np.where(colour == 1, raw, cross)
    sides = []
    for own, other in ((0, 2), (2, 0)):
        in_its_rows = (colour == own).any(axis=1, keepdims=True)
        beside = np.where(in_its_rows, rows, columns)
        sides.append(np.where(colour == own, raw, np.where(colour == other, diagonal, beside)))
    return np.stack([sides[0], green, sides[1]]).clip(0, 1)
