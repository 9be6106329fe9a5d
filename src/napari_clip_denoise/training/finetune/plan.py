"""Plan of a fine-tuning: training data, objective and validation, chosen and explained."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Protocol

import numpy as np

from napari_clip_denoise.images.intensity import NoiseLevel
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.inference import Network
from napari_clip_denoise.noise.correlation import NoiseCorrelation, estimate_correlation
from napari_clip_denoise.training.data.patch_pool import PatchPool
from napari_clip_denoise.training.data.patches import (
    PatchSource,
    in_memory,
    mapped_source,
    some,
)
from napari_clip_denoise.training.data.sources import open_sources
from napari_clip_denoise.training.finetune.objective import Objective
from napari_clip_denoise.training.finetune.registry import AUTO, Images, choose, entry
from napari_clip_denoise.training.finetune.settings import FineTuneSettings
from napari_clip_denoise.training.finetune.validation import Validator, blind_validator, smooth


@dataclass(frozen=True)
class Plan:
    """Training data, objective and validation of a fine-tuning.

    Attributes
    ----------
    pool : PatchPool
        Source of the patches.
    objective : Objective
        Makes the training targets.
    validator : Validator
        Scores a network on held-out patches.
    reason : str
        The chosen objective and the reason for it.
    notes : tuple of str
        Further findings, one sentence each.
    noise : str
        Description of the noise.
    data : str
        Description of the images.
    """

    pool: PatchPool
    objective: Objective
    validator: Validator
    reason: str
    notes: tuple[str, ...]
    noise: str
    data: str


@dataclass(frozen=True)
class Request:
    """Everything that an objective may base its plan on.

    Attributes
    ----------
    images : Images
        Available images of each kind.
    settings : FineTuneSettings
        Settings of the fine-tuning.
    denoise : callable or None
        The initial model on the CPU, if it has a trained decoder. It is used to score noisy images
        without a truth, and to refine them.
    network : DenoiserConfig
        Architecture of the network.
    """

    images: Images
    settings: FineTuneSettings
    denoise: Network | None
    network: DenoiserConfig

    @property
    def noise_level(self) -> NoiseLevel:
        """Whether the noise is measured for the network, as in `DenoiseSettings`."""
        return "auto" if self.network.noise_level else "blind"

    @cached_property
    def sources(self) -> list[PatchSource]:
        """The noisy images on the network's scale."""
        intensity = self.settings.intensity
        return [mapped_source(stack, intensity, self.noise_level) for stack in self.images.noisy]

    @cached_property
    def measured_correlation(self) -> NoiseCorrelation | None:
        """Correlation of the noise in the noisy images, if it could be measured."""
        samples = (source.sample() for source in some(self.sources))
        return estimate_correlation(chain.from_iterable(samples))

    @property
    def correlation(self) -> NoiseCorrelation:
        """Correlation of the noise; noise that could not be measured is taken as white."""
        return self.measured_correlation or NoiseCorrelation.white()

    @property
    def extent(self) -> tuple[int, int]:
        """Reach of the noise correlation in pixels, down and across."""
        return self.settings.extent or self.correlation.extent

    @property
    def found(self) -> str:
        """Description of the correlation."""
        if self.measured_correlation is None:
            return (
                "there are too few flat regions to measure whether the noise of neighbouring "
                "pixels is correlated, so it is taken as uncorrelated"
            )
        return (
            "the noise of neighbouring pixels is correlated by "
            f"{self.correlation.horizontal:.2f} across and {self.correlation.vertical:.2f} down"
        )

    @property
    def why(self) -> str:
        """Reason for an objective that learns from noisy images alone."""
        if self.settings.objective == AUTO:
            return f"only noisy images, and {self.found}"
        return f"as asked; {self.found}"


class Plannable(Protocol):
    """Class of an objective that the registry may name."""

    def plan(self, request: Request) -> Plan:
        """Check the images, and plan a fine-tuning with this objective."""
        ...


def make_plan(
    noisy: Any,
    clean: Any,
    repeats: Any,
    settings: FineTuneSettings,
    *,
    network: DenoiserConfig,
    denoise: Network | None = None,
    axes: str | None = None,
) -> Plan:
    """Open and check the images, choose the objective, and measure the noise if needed.

    Parameters
    ----------
    noisy, clean, repeats
        Images of each kind, see `open_sources`; None if there are none.
    settings : FineTuneSettings
        Settings of the fine-tuning.
    network, denoise
        See `Request`.
    axes : str, optional
        Axes of all images, one letter per dimension.

    Returns
    -------
    Plan
        Everything the training needs.

    Raises
    ------
    InputError
        If the images do not suit the objective or each other, or cannot be used for training.
    """
    opened = [
        [] if source is None else in_memory(open_sources(source, axes))
        for source in (noisy, clean, repeats)
    ]
    images = Images(
        noisy=opened[0],
        clean=opened[1],
        repeats=opened[2],
        repeat_axis=settings.repeat_axis,
        noise_is_given=settings.noise is not None,
    )
    request = Request(images, settings, denoise, network)
    name = choose(settings.objective, images)
    if name == AUTO:
        name = "refinement" if denoise and request.correlation.is_white else "noise2void"
    objective: Plannable = entry(name).load()
    return objective.plan(request)


def plan_against_targets(
    objective: Objective,
    sources: list[PatchSource],
    request: Request,
    reason: str,
    notes: tuple[str, ...] = (),
    noise: str = "as in the images",
    against: str = "clean images",
    *,
    is_weighted: bool = False,
) -> Plan:
    """Plan a fine-tuning that is scored against clean or repeated patches.

    Parameters
    ----------
    objective : Objective
        The objective.
    sources : list of PatchSource
        Images to draw patches from.
    request : Request
        Images and settings.
    reason, notes, noise
        See `Plan`.
    against : str
        Description of the patches that results are compared with.
    is_weighted : bool
        Whether the mask of the objective tells how far each pixel of a target counts.
    """
    pool = patch_pool(sources, request)
    patches, _ = pool.held_out(request.settings.held_out)
    example = objective.example(patches, np.random.default_rng([request.settings.seed, 8]))
    weight = example.mask if is_weighted else None
    validator = Validator(example.noisy, example.target, against, example.level, weight=weight)
    return Plan(pool, objective, validator, reason, notes, noise, describe(sources))


def plan_blind(
    objective: Objective, request: Request, why: str, notes: tuple[str, ...] = ()
) -> Plan:
    """Plan a fine-tuning with noisy images alone.

    Parameters
    ----------
    objective : Objective
        The objective.
    request : Request
        Images and settings.
    why : str
        Reason for the objective.
    notes : tuple of str
        Further findings, one sentence each.
    """
    pool = patch_pool(request.sources, request)
    validator = blind_validation(pool, request)
    deviation = max(0.0, float(validator.untouched().mean()) / 2) ** 0.5
    noise = f"standard deviation {deviation:.3f} on the network's scale; {request.found}"
    reason = f"{objective.name}: {why}."
    return Plan(pool, objective, validator, reason, notes, noise, describe(request.sources))


def blind_validation(pool: PatchPool, request: Request) -> Validator:
    """Return a validator for the held-out patches of noisy images without a truth."""
    patches, _ = pool.held_out(request.settings.held_out)
    rng = np.random.default_rng([request.settings.seed, 7])
    return blind_validator(patches, request.extent, request.denoise or smooth, rng)


def patch_pool(sources: list[PatchSource], request: Request) -> PatchPool:
    """Return a pool of patches; of RGB if both the network and all images are RGB."""
    rgb = request.network.channels == 3 and all(source.stack.is_rgb for source in sources)
    patch, seed = request.settings.patch, request.settings.seed
    told = request.network.noise_level
    return PatchPool(sources, patch, 3 if rgb else 1, seed, told=told)


def describe(sources: list[PatchSource]) -> str:
    """Return a description of the images for a model card."""
    first = sources[0].stack
    n_planes = sum(source.n_planes for source in sources)
    size = " x ".join(map(str, first.plane_shape))
    names = ", ".join(source.stack.name for source in sources[:4]) + ", …" * (len(sources) > 4)
    return f"{len(sources)} images with {n_planes} planes of {size}, {first.dtype}: {names}"
