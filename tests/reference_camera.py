"""The sRGB noise of the paper's training images, written again from its description.

Independent of the package: colours by scikit-image, pixels one by one from NumPy's indexing.
"""

import numpy as np
from scipy.ndimage import convolve
from skimage.color import rgb2xyz, xyz2rgb

CAMERAS = np.array(
    [
        [1.0234, -0.2969, -0.2266, -0.5625, 1.6328, -0.0469, -0.0703, 0.2188, 0.6406],
        [0.4913, -0.0541, -0.0202, -0.613, 1.3513, 0.2906, -0.1564, 0.2151, 0.7183],
        [0.838, -0.263, -0.0639, -0.2887, 1.0725, 0.2496, -0.0627, 0.1427, 0.5438],
        [0.6596, -0.2079, -0.0562, -0.4782, 1.3016, 0.1933, -0.097, 0.1581, 0.5181],
    ]
)
MALVAR = {
    "cross": [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0],
              [0, 0, -1, 0, 0]],
    "rows": [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0],
             [0, 0, 0.5, 0, 0]],
    "diagonal": [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0],
                 [0, 0, -1.5, 0, 0]],
}  # fmt: skip


def colours(shape, row, column):
    """0, 1 or 2 for each pixel of a Bayer pattern whose first red pixel is at row, column."""
    y, x = np.indices(shape)
    red_row, red_column = (y + row) % 2 == 0, (x + column) % 2 == 0
    return np.where(red_row & red_column, 0, np.where(red_row | red_column, 1, 2))


def demosaic(raw, colour):
    cross, rows, diagonal = (convolve(raw, np.array(MALVAR[k]) / 8) for k in MALVAR)
    columns = convolve(raw, np.array(MALVAR["rows"]).T / 8)
    image = np.empty((*raw.shape, 3))
    image[..., 1] = np.where(colour == 1, raw, cross)
    for own, other in ((0, 2), (2, 0)):
        in_own_row = (colour == own).any(axis=1)[:, None] & np.ones(raw.shape, bool)
        image[..., own] = np.where(in_own_row, rows, columns)
        image[..., own][colour == other] = diagonal[colour == other]
        image[..., own][colour == own] = raw[colour == own]
    return image.clip(0, 1)


def noisy(image, rng, *, gamma=2.2, signal=0.04, constant=0.03):
    """Add the noise to an image (Y, X, 3) in [0, 1], and round it to 8 bits."""
    xyz = rgb2xyz(image**gamma)
    shares = rng.random(4)
    camera = np.tensordot(shares / shares.sum(), CAMERAS, 1).reshape(3, 3)
    camera /= camera.sum(axis=1)[:, None]
    colour = colours(image.shape[:2], *rng.integers(0, 2, 2))
    balance = np.array([rng.uniform(0.75, 1), 1, rng.uniform(0.75, 1)])[colour]
    linear = np.einsum("ij,yxj->yxi", camera, xyz).clip(0, 1)
    raw = np.take_along_axis(linear, colour[..., None], axis=-1)[..., 0] * balance
    raw = raw + signal * raw * rng.normal(size=raw.shape) + constant * rng.normal(size=raw.shape)
    raw = (raw.clip(0, 1) / balance).clip(0, 1)
    xyz = np.einsum("ij,yxj->yxi", np.linalg.inv(camera), demosaic(raw, colour)).clip(0, 1)
    return (xyz2rgb(xyz) ** (1 / gamma) * 255).round() / 255
