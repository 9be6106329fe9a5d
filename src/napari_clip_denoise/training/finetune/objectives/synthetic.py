"""Learning from clean images, to which noise is added."""

from dataclasses import dataclass

import numpy as np

from napari_clip_denoise.images.intensity import ChannelMapping
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.training.data.noise_measurement import (
    mapping_of_simulated,
    measure_camera,
    same_range,
)
from napari_clip_denoise.training.data.pairs import IDENTITY
from napari_clip_denoise.training.data.patch_pool import Patches
from napari_clip_denoise.training.data.patches import PatchSource, some
from napari_clip_denoise.training.finetune.objective import Example, Objective, make_example
from napari_clip_denoise.training.finetune.plan import Plan, Request, plan_against_targets


@dataclass(frozen=True)
class Synthetic(Objective):
    """Objective for clean images, to which noise is added.

    Parameters
    ----------
    noise : CameraNoise
        Noise on the raw scale of the patches.
    mapping : ChannelMapping
        Mapping from that scale to the network's.
    """

    noise: CameraNoise
    mapping: ChannelMapping
    name = "synthetic"
    allow_mixup = True

    def example(self, patches: Patches, rng: np.random.Generator) -> Example:
        """Add noise to the first patches, which are clean raw values, and map both.

        Parameters
        ----------
        patches, rng
            See `Objective.example`.
        """
        clean = patches.first
        noisy = self.mapping.normalize(self.noise(clean, rng))
        level = None
        if patches.level is not None:
            power = np.square(self.mapping.noise_level(clean)).mean(axis=1, keepdims=True)
            level = np.sqrt(power)
        return make_example(noisy, self.mapping.expected(clean), level)

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Measure the noise in noisy images, unless the settings give it."""
        images, settings = request.images, request.settings
        planes, line = _samples(images.clean), IDENTITY
        if settings.noise:
            given = settings.noise
            noise = CameraNoise(given.gain, given.offset, given.read_noise)
            reason = "synthetic: there are clean images and the noise is given."
        else:
            noise = measure_camera(images.noisy, settings.intensity)
            line = same_range(planes, _samples(images.noisy))
            reason = "synthetic: there are clean images, and noise is measured in the noisy ones."
        mapping = mapping_of_simulated(
            [line(plane) for plane in planes],
            noise,
            settings.intensity,
            settings.seed,
            request.noise_level,
        )
        sources = [PatchSource(stack, None, line=line) for stack in images.clean]
        return plan_against_targets(
            cls(noise, mapping), sources, request, reason, noise=noise.describe()
        )


def _samples(stacks: list[Stack]) -> list[np.ndarray]:
    return [plane for stack in some(stacks) for plane in PatchSource(stack, None).sample()]
