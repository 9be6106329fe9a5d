"""Intensity mappings in the format of the BioImage Model Zoo, as far as it supports them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_clip_denoise.images.intensity_methods import INTENSITIES, Anscombe
from napari_clip_denoise.models.card import ModelCard

SAMPLE_AXES = ("channel", "y", "x")
EPSILON = 1e-6


@dataclass(frozen=True)
class ZooMapping:
    """The mapping of raw values to the network's scale in a package.

    Attributes
    ----------
    words : str
        Description for users.
    percentiles : (float, float) or None
        Percentiles of a sample that map to 0 and 1. The format cannot map results back.
    window : (float, float) or None
        Raw values that map to 0 and 1; results are mapped back.
    """

    words: str
    percentiles: tuple[float, float] | None = None
    window: tuple[float, float] | None = None

    def normalize(self, values: np.ndarray) -> np.ndarray:
        """Map a sample (1, C, Y, X) to the network's scale, float32, as the format defines it."""
        if self.percentiles is not None:
            low, high = np.percentile(values, self.percentiles)
            return ((values - low) / (high - low + EPSILON)).astype(np.float32)
        low, high = self.window or (0.0, 1.0)
        return ((values - low) / (high - low)).astype(np.float32)

    def denormalize(self, values: np.ndarray) -> np.ndarray:
        """Map a result back to raw values, if the format supports it."""
        low, high = self.window or (0.0, 1.0)
        return (low + (high - low) * values).astype(np.float32)

    def before(self) -> list[Any]:
        """Return the description of the preprocessing."""
        from bioimageio.spec.model import v0_5 as zoo

        if self.percentiles is not None:
            low, high = self.percentiles
            scale_range = zoo.ScaleRangeKwargs(
                axes=[zoo.AxisId(axis) for axis in SAMPLE_AXES],
                min_percentile=low,
                max_percentile=high,
                eps=EPSILON,
            )
            return [zoo.ScaleRangeDescr(kwargs=scale_range)]
        if self.window is None:
            return []
        low, high = self.window
        line = zoo.ScaleLinearKwargs(gain=1 / (high - low), offset=-low / (high - low))
        return [zoo.ScaleLinearDescr(kwargs=line)]

    def after(self) -> list[Any]:
        """Return the description of the postprocessing."""
        from bioimageio.spec.model import v0_5 as zoo

        if self.window is None:
            return []
        low, high = self.window
        line = zoo.ScaleLinearKwargs(gain=high - low, offset=low)
        return [zoo.ScaleLinearDescr(kwargs=line)]


def zoo_mapping(card: ModelCard) -> ZooMapping:
    """Return the closest supported equivalent of the mapping that a card recommends."""
    if card.intensity == "given" and (pair := card.recipe.get("fine_tuning", {}).get("intensity")):
        return _window((pair[0], pair[1]))
    method = INTENSITIES.get(card.intensity)
    if method is not None and method.window is not None:
        return _window(method.window)
    if method is None or method.percentiles is None:
        return ZooMapping("The package maps no values; bring them to [0, 1] before.")
    words = (
        f"The package maps {_ends(method.percentiles)} of a sample to 0 and 1 and gives the result "
        "on that scale; it does not map it back."
    )
    if isinstance(method, Anscombe):
        words += (
            " The plugin maps it back, and first applies the generalized Anscombe transform where "
            "noise grows with the value; the format has no such step."
        )
    return ZooMapping(words, percentiles=method.percentiles)


def _ends(percentiles: tuple[float, float]) -> str:
    if percentiles == (0.0, 100.0):
        return "the smallest and largest value"
    return "the percentiles {:g} and {:g}".format(*percentiles)


def _window(window: tuple[float, float]) -> ZooMapping:
    low, high = window
    return ZooMapping(f"The package maps {low:g} to {high:g} to [0, 1] and back.", window=window)
