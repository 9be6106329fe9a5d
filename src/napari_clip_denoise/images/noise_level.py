"""The noise level at each pixel of a plane."""

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.images.intensity import ChannelMapping

SMOOTHING = 2.0
"""Width in pixels of the mean at which the noise level is taken, where it depends on the value."""


def noise_level_map(plane: np.ndarray, mapping: ChannelMapping) -> np.ndarray:
    """Return the standard deviation of the noise on the network's scale.

    Parameters
    ----------
    plane : numpy.ndarray
        Raw values (Y, X) or (Y, X, S), finite. The level of noise that depends on the value is
        taken at their local mean.
    mapping : ChannelMapping
        Mapping of the plane.

    Returns
    -------
    numpy.ndarray
        Same shape, float32; NaN if the noise is unknown.
    """
    if mapping.has_constant_noise:
        return np.broadcast_to(mapping.noise_level(np.array(mapping.low)), plane.shape)
    width = (SMOOTHING, SMOOTHING, *(0,) * (plane.ndim - 2))
    smooth = gaussian_filter(plane.astype(np.float32), width, truncate=3)
    return mapping.noise_level(smooth)
