"""Learning from noisy images alone by hiding pixels."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.finetune.objective import (
    LOW_RATE,
    Example,
    Objective,
    make_example,
)
from napari_clip_denoise.training.finetune.plan import Plan, Request, plan_blind


@dataclass(frozen=True)
class Noise2Void(Objective):
    """Objective for noisy images alone: hidden pixels are predicted from those around them.

    Parameters
    ----------
    extent : (int, int)
        Reach of the noise correlation in pixels, down and across. This many pixels on each side
        are hidden as well (structN2V), so that their noise does not reveal that of the pixel.
    fraction : float
        Fraction of the pixels that the loss is computed on.

    References
    ----------
    Krull, Buchholz, Jug, "Noise2Void", CVPR 2019. Broaddus et al., "Removing structured noise
    with self-supervised blind-spot networks", ISBI 2020.
    """

    extent: tuple[int, int] = (0, 0)
    fraction: float = 0.05
    name = "noise2void"
    learning_rate = LOW_RATE

    @property
    def allow_rot90(self) -> bool:
        """True unless the noise has a direction."""
        return self.extent[0] == self.extent[1]

    def example(self, patches: Patches, rng: np.random.Generator) -> Example:
        """Hide pixels of the noisy patches by replacing them with others nearby.

        Parameters
        ----------
        patches, rng
            See `Objective.example`.
        """
        first = patches.first
        n, _, height, width = first.shape
        down, across = self.extent
        edge_y, edge_x = 2 * down + 2, 2 * across + 2
        count = max(1, round(self.fraction * height * width))
        patch = np.repeat(np.arange(n), count)
        y = rng.integers(edge_y, height - edge_y, size=n * count)
        x = rng.integers(edge_x, width - edge_x, size=n * count)
        mask = np.zeros(first.shape, np.float32)
        mask[patch, :, y, x] = 1
        hidden = first.copy()
        near = self._near()
        for dy in range(-down, down + 1):
            for dx in range(-across, across + 1):
                step = near[rng.integers(len(near), size=len(y))]
                donors = first[patch, :, y + step[:, 0], x + step[:, 1]]
                hidden[patch, :, y + dy, x + dx] = donors
        return make_example(hidden, first, patches.level, mask)

    def _near(self) -> np.ndarray:
        """Return the offsets (N, 2) of the pixels around those that are hidden together."""
        down, across = self.extent
        return np.array(
            [
                (dy, dx)
                for dy in range(-down - 2, down + 3)
                for dx in range(-across - 2, across + 3)
                if abs(dy) > down or abs(dx) > across
            ]
        )

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Hide as far as the noise is correlated."""
        extent = request.extent
        hidden = f", {extent[0]} pixels down and {extent[1]} across hidden with each" * any(extent)
        return plan_blind(cls(extent), request, f"{request.why}{hidden}")
