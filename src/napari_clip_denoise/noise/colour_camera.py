"""Noise of a colour camera's raw pixels after in-camera processing.

An RGB image is converted back to raw pixels, noise is added there, and the result is processed to
RGB again. This correlates the noise between neighbouring pixels and colours.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
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
LEVELS = 16 * 255
"""Steps of a tabulated curve; values of 8 bits lie on them."""

Border = Literal["reflect", "symmetric"]


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
    as_published : bool
        Whether to develop images as the code of the paper's authors: it linearises twice, by the
        camera's tone curve and then by that of sRGB, so dark pixels get 6 to 7 dB more noise. Its
        colour matrix does not preserve white, and demosaicing repeats the outermost pixels.

    References
    ----------
    Guo et al., "Toward convolutional blind denoising of real photographs", CVPR 2019. Brooks et
    al., "Unprocessing images for learned raw denoising", CVPR 2019.
    """

    signal: float
    constant: float
    as_published: bool = False

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise to an image (3, Y, X) with values in [0, 1]; so is the result."""
        return self.take(clean, rng)[0]

    def take(self, clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Take an image with noise, and the same with the same camera without.

        Parameters
        ----------
        clean : numpy.ndarray
            (3, Y, X), in [0, 1].
        rng : numpy.random.Generator
            Random number generator.

        Returns
        -------
        noisy, clean : numpy.ndarray
            Same shape, float32, in [0, 1]. The second is what the mean of many shots shows: what
            demosaicing loses is lost in both.
        """
        gamma, contrast = rng.uniform(*GAMMA), rng.uniform(*CONTRAST)
        matrix = mixed_camera(rng.random(len(XYZ_TO_CAMERA)))
        balance = np.array([rng.uniform(*WHITE_BALANCE), 1, rng.uniform(*WHITE_BALANCE)])
        row, column = rng.integers(0, 2, 2)

        to_linear, to_tones = tone_tables(gamma, contrast, srgb=self.as_published)
        linear = to_linear[_steps(np.clip(clean, 0, 1))]
        if self.as_published:
            from_xyz = normalised_rows(matrix)
            camera = _mixed(from_xyz @ RGB_TO_XYZ, linear)
        else:
            from_xyz = normalised_rows(matrix @ RGB_TO_XYZ)
            camera = _mixed(from_xyz, linear)
        exact = mosaic(camera * balance.astype(np.float32)[:, None, None], row, column)
        deviation = np.hypot(np.float32(self.signal) * exact, np.float32(self.constant))
        raw = exact + deviation * rng.standard_normal(exact.shape, np.float32)

        def develop(raw: np.ndarray) -> np.ndarray:
            raw = raw.clip(0, 1)
            for y, x, colour in bayer(row, column):
                raw[y::2, x::2] /= balance[colour]
            border: Border = "symmetric" if self.as_published else "reflect"
            image = _mixed(np.linalg.inv(from_xyz), demosaic(raw.clip(0, 1), row, column, border))
            if self.as_published:
                image = _mixed(np.linalg.inv(RGB_TO_XYZ), image)
            return to_tones[_steps(np.sqrt(np.sqrt(image)))]

        return develop(raw), develop(exact)


def tone_tables(gamma: float, contrast: float, *, srgb: bool) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate an increasing tone curve in both directions.

    Parameters
    ----------
    gamma : float
        Exponent of the display.
    contrast : float
        Weight of an additional S-shaped curve, 0 to 1.
    srgb : bool
        Whether linear values pass the curve of sRGB first.

    Returns
    -------
    to_linear, to_tones : numpy.ndarray
        (LEVELS + 1,), float32. The first holds the linear values of equidistant tones, the second
        the tones of linear values whose fourth roots are equidistant. All are in [0, 1].
    """
    steps = np.linspace(0, 1, LEVELS + 1)
    bent = (1 - contrast) * steps + contrast * (3 - 2 * steps) * steps**2
    before = np.interp(steps, bent, steps) ** gamma
    linear = steps**4
    if srgb:
        before = np.where(before > 0.04045, ((before + 0.055) / 1.055) ** 2.4, before / 12.92)
        linear = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    tones = np.interp(linear ** (1 / gamma), steps, bent)
    return before.astype(np.float32), tones.astype(np.float32)


def mixed_camera(weights: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) from XYZ to a mixture of the cameras in `XYZ_TO_CAMERA`.

    `weights` (4,) are divided by their sum.
    """
    return np.tensordot(weights / weights.sum(), XYZ_TO_CAMERA, 1)


def normalised_rows(matrix: np.ndarray) -> np.ndarray:
    """Divide the rows of a matrix by their sums, so that equal values stay equal."""
    return matrix / matrix.sum(axis=1, keepdims=True)


def bayer(row: int, column: int) -> tuple[tuple[int, int, int], ...]:
    """Return y, x and colour (0 red, 1 green, 2 blue) of the four pixels of a Bayer pattern.

    `row` and `column` are the position of the first red pixel, 0 or 1.
    """
    return (
        (row, column, 0),
        (row, 1 - column, 1),
        (1 - row, column, 1),
        (1 - row, 1 - column, 2),
    )


def mosaic(image: np.ndarray, row: int, column: int) -> np.ndarray:
    """Take the pixels (Y, X) of a Bayer pattern from an image (3, Y, X); see `bayer`."""
    raw = np.empty(image.shape[1:], image.dtype)
    for y, x, colour in bayer(row, column):
        raw[y::2, x::2] = image[colour, y::2, x::2]
    return raw


def demosaic(raw: np.ndarray, row: int, column: int, border: Border = "reflect") -> np.ndarray:
    """Interpolate raw pixels (Y, X) to RGB (3, Y, X).

    Parameters
    ----------
    raw : numpy.ndarray
        Raw pixels of a Bayer pattern in [0, 1].
    row, column : {0, 1}
        Position of the first red pixel.
    border : {"reflect", "symmetric"}
        Continuation of the image, see `numpy.pad`; the first keeps the pattern.

    References
    ----------
    Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned
    color images", ICASSP 2004.
    """
    padded = np.pad(raw, 2, mode=border)
    height, width = raw.shape

    def at(y: int, x: int) -> np.ndarray:
        return padded[2 + y : 2 + y + height, 2 + x : 2 + x + width]

    beside, above = at(0, -1) + at(0, 1), at(-1, 0) + at(1, 0)
    far_beside, far_above = at(0, -2) + at(0, 2), at(-2, 0) + at(2, 0)
    corners = at(-1, -1) + at(-1, 1) + at(1, -1) + at(1, 1)
    far = far_beside + far_above
    cross = (4 * raw + 2 * (beside + above) - far) / 8
    opposite = (6 * raw + 2 * corners - 1.5 * far) / 8
    centre = 5 * raw - corners
    in_row = (centre + 4 * beside - far_beside + 0.5 * far_above) / 8
    in_column = (centre + 4 * above - far_above + 0.5 * far_beside) / 8
    red, green, blue = 0, 1, 2
    sources = (
        {red: raw, green: cross, blue: opposite},
        {red: in_row, green: raw, blue: in_column},
        {red: in_column, green: raw, blue: in_row},
        {red: opposite, green: cross, blue: raw},
    )
    image = np.empty((3, height, width), raw.dtype)
    for (y, x, _), of_colour in zip(bayer(row, column), sources, strict=True):
        for colour, source in of_colour.items():
            image[colour, y::2, x::2] = source[y::2, x::2]
    return image.clip(0, 1)


def _mixed(matrix: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Apply a matrix (3, 3) to the colours of an image (3, Y, X), and clip to [0, 1]."""
    mixed = matrix.astype(np.float32) @ image.reshape(3, -1)
    return mixed.reshape(image.shape).clip(0, 1)


def _steps(values: np.ndarray) -> np.ndarray:
    """Return the nearest index into a table of `tone_tables` for values in [0, 1]."""
    return (values * np.float32(LEVELS) + np.float32(0.5)).astype(np.int32)
