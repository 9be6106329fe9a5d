"""Learning from the planes before and after a noisy plane, where they agree."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.inference import Network, predict
from napari_clip_denoise.training.data.neighbours import neighbour_source
from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.data.patches import PatchSource, mapped_source, some
from napari_clip_denoise.training.finetune.objective import Example, Objective, make_example
from napari_clip_denoise.training.finetune.plan import Plan, Request, plan_against_targets
from napari_clip_denoise.training.finetune.validation import smooth

GUIDED_PIXELS = 2**23
"""Most pixels of all planes that guides are made of, about 10 seconds on one core."""
LEAST_WEIGHT = 0.1


@dataclass(frozen=True)
class Neighbors(Objective):
    """Objective for noisy stacks: a plane, or its mean with a neighbour, predicts a neighbour.

    However noise is correlated within planes, that of input and target is independent. The target
    counts where it agrees with the plane, by the weights that planes are fused with.

    Parameters
    ----------
    turns : bool
        Whether patches may be rotated by 90 degrees, because the noise has no direction.

    References
    ----------
    Lecoq et al., "Removing independent noise in systems neuroscience data using
    DeepInterpolation", Nature Methods 2021. Eom et al., "Statistically unbiased prediction enables
    accurate denoising of voltage imaging data" (SUPPORT), Nature Methods 2023.
    """

    turns: bool = True
    name = "neighbors"

    @property
    def allow_rot90(self) -> bool:
        """True unless the noise has a direction."""
        return self.turns

    def example(self, patches: Patches, rng: np.random.Generator) -> Example:
        """Separate the targets from their weights.

        Parameters
        ----------
        patches, rng
            See `Objective.example`.
        """
        target, weight = patches.second[:, :-1], patches.second[:, -1:]
        mask = np.ascontiguousarray(np.broadcast_to(weight, target.shape))
        return make_example(patches.first, target, patches.level, mask)

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Compare planes with those before and after them."""
        settings = request.settings
        stacks = some(request.images.noisy)
        network = _guiding(request)
        found: list[PatchSource] = []
        weights = []
        for stack in stacks:
            source = mapped_source(stack, settings.intensity, "auto")
            most = GUIDED_PIXELS // len(stacks)
            guided = neighbour_source(source, settings.context_axis, network, most)
            if guided is not None:
                found.append(guided)
                weights.append(float(guided.weights.mean()))
        if not found:
            raise InputError(
                "The objective neighbors needs at least three planes in a row; give a z-stack or a "
                "movie, or choose another objective."
            )
        if max(weights) < LEAST_WEIGHT:
            raise InputError(
                "Neighbouring planes have hardly anything in common, so they cannot predict each "
                "other; choose another objective."
            )
        down, across = request.extent
        reason = f"neighbors: {request.why}; {100 * np.mean(weights):.0f} % of neighbours agree."
        return plan_against_targets(
            cls(down == across),
            found,
            request,
            reason,
            against="neighbouring planes where they agree",
            is_weighted=True,
        )


def _guiding(request: Request) -> Network:
    """Return the initial model, or a blur, as a network that is told the noise level."""
    denoise, is_told = request.denoise or smooth, request.network.noise_level

    def guide(noisy: Tensor, level: Tensor) -> Tensor:
        levels = level.split(1) if is_told else [None] * len(noisy)
        parts = zip(noisy.split(1), levels, strict=True)
        return torch.cat([predict(denoise, part, told) for part, told in parts])

    return guide
