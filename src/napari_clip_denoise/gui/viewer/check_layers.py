"""Layers that show what a check has found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Points

from napari_clip_denoise.gui.viewer.layers import result_arguments, shape_of
from napari_clip_denoise.gui.viewer.pairs import derived_from
from napari_clip_denoise.images.regions import whole

RESIDUAL = "residual"
LIMIT = 3
"""Values of the residual that are black and white, in its standard deviations."""
RING = 12
"""Diameter of a ring in pixels."""
PLACE = (
    "name",
    "metadata",
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
    "axis_labels",
)
"""Arguments of image layers that points layers also have."""


@dataclass(frozen=True)
class Kind:
    """A kind of places that are marked, and its colour."""

    name: str
    colour: str


REMOVED = Kind("removed structure", "#e05a33")
ADDED = Kind("added structure", "#3a86d6")


def names_of_layers(denoised: Image) -> list[str]:
    """Return the names of all layers that a check of a result may add."""
    return [_name(denoised, what) for what in (RESIDUAL, REMOVED.name, ADDED.name)]


def residual_layer(residual: Any, noisy: Image, denoised: Image, deviation: float) -> Image:
    """Return a hidden layer of what was removed.

    Parameters
    ----------
    residual : array-like
        Noisy minus denoised, in the axes of the result.
    noisy, denoised : Image
        The layers that were checked.
    deviation : float
        Standard deviation of the residual, for the contrast.
    """
    arguments = _arguments(noisy, denoised, RESIDUAL)
    if not denoised.rgb:
        limit = LIMIT * deviation or 1.0
        arguments |= {"colormap": "gray", "contrast_limits": (-limit, limit)}
    return Image(residual, **arguments, visible=False)


def rings(positions: np.ndarray, noisy: Image, denoised: Image, kind: Kind) -> Points:
    """Return a layer of rings around places.

    Parameters
    ----------
    positions : numpy.ndarray
        The places, (N, axes of the result), in its pixels.
    noisy, denoised : Image
        The layers that were checked.
    kind : Kind
        What is at these places.
    """
    arguments = _arguments(noisy, denoised, kind.name)
    return Points(
        positions,
        symbol="ring",
        size=RING,
        face_color=kind.colour,
        border_color=kind.colour,
        **{key: arguments[key] for key in PLACE},
    )


def _name(denoised: Image, what: str) -> str:
    return f"{denoised.name} {what}"


def _arguments(noisy: Image, denoised: Image, what: str) -> dict[str, Any]:
    made = derived_from(noisy, denoised, what)
    return result_arguments(denoised, _name(denoised, what), made, whole(shape_of(denoised)))
