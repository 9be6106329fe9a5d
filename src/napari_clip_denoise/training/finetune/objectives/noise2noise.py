"""Learning from two noisy images of the same field."""

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.training.data.pairs import check_pair
from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.data.patches import mapped_source
from napari_clip_denoise.training.data.sources import pair_up
from napari_clip_denoise.training.finetune.objective import Example, Objective, make_example
from napari_clip_denoise.training.finetune.plan import Plan, Request, plan_against_targets


class Noise2Noise(Objective):
    """Objective for two noisy images of the same field, each of which serves as the other's target.

    References
    ----------
    Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML 2018.
    """

    name = "noise2noise"

    def example(self, patches: Patches, rng: np.random.Generator) -> Example:
        """Use one patch of each pair, chosen at random, as the input and the other as target.

        Parameters
        ----------
        patches, rng
            See `Objective.example`.
        """
        first, second = patches.first, patches.second
        swap = rng.random((len(first), 1, 1, 1)) < 0.5
        noisy, target = np.where(swap, second, first), np.where(swap, first, second)
        return make_example(noisy, target, patches.level)

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Pair the images with their repeats, or planes along the axis of repeats."""
        images, settings = request.images, request.settings
        if images.repeats:
            pairs = pair_up(images.noisy, images.repeats, "repeated")
            for first, second in pairs:
                check_pair(first, second, clean=False)
            sources = [
                mapped_source(one, settings.intensity, request.noise_level, other=two)
                for one, two in pairs
            ]
            reason = "noise2noise: there are repeats of the same fields."
        else:
            axis = settings.repeat_axis or ""
            for stack in images.noisy:
                _check_repeat_axis(stack, axis)
            sources = [
                mapped_source(stack, settings.intensity, request.noise_level, repeat_axis=axis)
                for stack in images.noisy
            ]
            reason = f"noise2noise: the same fields are repeated along axis {axis}."
        return plan_against_targets(cls(), sources, request, reason, against="repeats")


def _check_repeat_axis(stack: Stack, axis: str) -> None:
    leading = stack.axes[: len(stack.leading_shape)]
    if axis not in leading or stack.shape[leading.index(axis)] < 2:
        raise InputError(
            f"'{stack.name}' has the axes {stack.axes} of size "
            f"{' x '.join(map(str, stack.shape))}, so nothing is repeated along '{axis}'; "
            "give an axis of at least two."
        )
    where = leading.index(axis)
    once, again = (
        Stack(stack.array[(slice(None),) * where + (slice(i, i + 1),)], stack.axes, stack.metadata,
              f"{stack.name} at {axis} {i}")
        for i in (0, stack.shape[where] - 1)
    )  # fmt: skip
    check_pair(once, again, clean=False)
