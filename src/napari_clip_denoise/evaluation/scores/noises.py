"""The noises of the paper's tests, and speckle, by name."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.scores.reference_noise import draw_as_reference, is_in_scripts
from napari_clip_denoise.noise.models import (
    Gaussian,
    MeanFilteredGaussian,
    NoiseModel,
    SaltAndPepper,
    ScaledPoisson,
    Speckle,
)

NoiseGenerator = Literal["pcg64", "reference"]
"""NumPy's present generator, or the former one as the paper's authors use it."""
NOISES: dict[str, NoiseModel] = {
    **{f"gaussian-{sigma}": Gaussian(sigma / 255) for sigma in (15, 25, 50)},
    **{f"spatial-{sigma}": MeanFilteredGaussian(sigma / 255) for sigma in (40, 45, 50, 55)},
    **{f"poisson-{scale:g}": ScaledPoisson(scale) for scale in (2, 2.5, 3, 3.5)},
    "salt-pepper-0.02": SaltAndPepper(0.02),
    "speckle-0.04": Speckle(0.04**0.5),
}
"""Noises of the paper's tests, and speckle, by name; standard deviations on the 8-bit scale."""


def add_noise(
    clean: np.ndarray, noise: str, *, rgb: bool, generator: NoiseGenerator = "pcg64"
) -> np.ndarray:
    """Add one of `NOISES` to a clean image, always with seed 0, so that it is reproducible.

    Parameters
    ----------
    clean : numpy.ndarray
        Clean image with values from 0 to 1, (..., Y, X), or (..., Y, X, 3) for RGB.
    noise : str
        Key of `NOISES`.
    rgb : bool
        True if the last axis holds RGB samples.
    generator : {"pcg64", "reference"}
        NumPy's present generator, or draws as in the scripts of the paper's authors, see
        `draw_as_reference`.

    Returns
    -------
    numpy.ndarray
        Noisy image of the same shape.
    """
    if generator == "reference":
        return draw_as_reference(NOISES[noise], clean)
    planes = np.moveaxis(clean, -1, 0) if rgb else clean
    noisy = NOISES[noise](planes, np.random.default_rng(0))
    return np.moveaxis(noisy, 0, -1) if rgb else noisy


def chosen_noises(wanted: Sequence[str], generator: NoiseGenerator = "pcg64") -> list[str]:
    """List the `NOISES` with the given names or of the given kinds; all if none are given.

    The generator ``"reference"`` has only those that the authors' scripts draw.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    for name in wanted:
        if not any(_is_of_kind(noise, name) for noise in NOISES):
            raise InputError(f"There is no noise '{name}'; give any of: {', '.join(NOISES)}.")
    found = [
        noise for noise in NOISES if not wanted or any(_is_of_kind(noise, name) for name in wanted)
    ]
    if generator != "reference":
        return found
    missing = [noise for noise in found if not is_in_scripts(NOISES[noise])]
    if wanted and missing:
        raise InputError(f"The authors' scripts draw no '{missing[0]}'; leave that noise out.")
    return [noise for noise in found if noise not in missing]


def _is_of_kind(noise: str, wanted: str) -> bool:
    return noise == wanted or noise.rpartition("-")[0] == wanted
