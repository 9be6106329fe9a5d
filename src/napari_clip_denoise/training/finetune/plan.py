"""Training data and objective of a fine-tuning, chosen and explained."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.noise.correlation import NoiseCorrelation, estimate_correlation
from napari_clip_denoise.training.data.fields import Field, in_memory, mapped_field, some
from napari_clip_denoise.training.data.noise_measurement import (
    mapping_of_simulated,
    measure_camera,
    same_range,
)
from napari_clip_denoise.training.data.pairs import IDENTITY, check_pair
from napari_clip_denoise.training.data.patch_pool import PatchPool
from napari_clip_denoise.training.data.refinement import cameras, excerpts
from napari_clip_denoise.training.data.sources import open_sources, pair_up
from napari_clip_denoise.training.finetune.choice import Images, named_objective
from napari_clip_denoise.training.finetune.objectives import (
    Neighbor2Neighbor,
    Network,
    Noise2Noise,
    Noise2Void,
    Objective,
    Refinement,
    Supervised,
    Synthetic,
)
from napari_clip_denoise.training.finetune.settings import FineTuneSettings
from napari_clip_denoise.training.finetune.validation import Judge, blind_judge, smooth


@dataclass(frozen=True)
class Material:
    """Training data, objective and validation of a fine-tuning.

    Attributes
    ----------
    pool : PatchPool
        Source of the patches.
    objective : Objective
        Makes the training targets.
    judge : Judge
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
    judge: Judge
    reason: str
    notes: tuple[str, ...]
    noise: str
    data: str


def gather(
    noisy: Any,
    clean: Any,
    repeats: Any,
    settings: FineTuneSettings,
    *,
    denoise: Network | None = None,
    axes: str | None = None,
    rgb: bool = False,
) -> Material:
    """Open and check the images, choose the objective, and measure the noise if needed.

    Parameters
    ----------
    noisy, clean, repeats :
        Images of each kind, see `open_sources`; None if there are none.
    settings : FineTuneSettings
        Settings of the fine-tuning.
    denoise : callable, optional
        The initial model on the CPU, if it has a trained decoder. It is used to score noisy images
        without a truth, and to refine them.
    axes : str, optional
        Axes of all images, one letter per dimension.
    rgb : bool
        Whether the network processes RGB.

    Returns
    -------
    Material
        Everything the training needs.

    Raises
    ------
    InputError
        If the images do not suit the objective or each other, or cannot be used for training.
    """
    images = Images(
        *(
            [] if source is None else in_memory(open_sources(source, axes))
            for source in (noisy, clean, repeats)
        )
    )
    match named_objective(settings, images):
        case "supervised":
            return _supervised(images, settings, rgb)
        case "noise2noise":
            return _repeated(images, settings, rgb)
        case "synthetic":
            return _synthetic(images, settings, rgb)
        case name:
            return _blind(name, images.noisy, settings, denoise, rgb)


def _supervised(images: Images, settings: FineTuneSettings, rgb: bool) -> Material:
    pairs = pair_up(images.noisy, images.clean, "clean")
    lines = [check_pair(first, second, clean=True) for first, second in pairs]
    n_fitted = sum(not line.is_identity for line in lines)
    notes: tuple[str, ...] = ()
    if n_fitted:
        notes = (
            f"{n_fitted} of {len(lines)} clean images have another intensity scale than the noisy "
            "ones; they were matched by least squares.",
        )
    fields = [
        mapped_field(first, settings.intensity, other=second, line=line, is_clean=True)
        for (first, second), line in zip(pairs, lines, strict=True)
    ]
    reason = "supervised: there are clean images of the same fields."
    return _against_targets(Supervised(), fields, settings, rgb, reason, notes)


def _repeated(images: Images, settings: FineTuneSettings, rgb: bool) -> Material:
    if images.repeats:
        pairs = pair_up(images.noisy, images.repeats, "repeated")
        for first, second in pairs:
            check_pair(first, second, clean=False)
        fields = [mapped_field(first, settings.intensity, other=second) for first, second in pairs]
        reason = "noise2noise: there are repeats of the same fields."
    else:
        axis = settings.repeat_axis or ""
        for stack in images.noisy:
            _check_repeat_axis(stack, axis)
        fields = [
            mapped_field(stack, settings.intensity, repeat_axis=axis) for stack in images.noisy
        ]
        reason = f"noise2noise: the same fields are repeated along axis {axis}."
    return _against_targets(Noise2Noise(), fields, settings, rgb, reason)


def _synthetic(images: Images, settings: FineTuneSettings, rgb: bool) -> Material:
    planes = [plane for stack in some(images.clean) for plane in Field(stack, None).sample()]
    line = IDENTITY
    if settings.noise:
        by_hand = settings.noise
        noise = CameraNoise(by_hand.gain, by_hand.offset, by_hand.read_noise)
        mapping = mapping_of_simulated(planes, noise, settings)
        reason = "synthetic: there are clean images and the noise is given."
    else:
        noise = measure_camera(images.noisy, settings)
        line = same_range(
            planes, [p for stack in some(images.noisy) for p in Field(stack, None).sample()]
        )
        mapping = mapping_of_simulated([line(plane) for plane in planes], noise, settings)
        reason = "synthetic: there are clean images, and noise is measured in the noisy ones."
    objective = Synthetic(noise, mapping)
    fields = [Field(stack, None, line=line) for stack in images.clean]
    return _against_targets(objective, fields, settings, rgb, reason, noise=noise.describe())


def _blind(
    name: str, noisy: list[Stack], settings: FineTuneSettings, denoise: Network | None, rgb: bool
) -> Material:
    fields = [mapped_field(stack, settings.intensity) for stack in noisy]
    measured = estimate_correlation(chain.from_iterable(f.sample() for f in some(fields)))
    correlation = measured or NoiseCorrelation.white()
    found = (
        f"noise of neighbours is correlated by {correlation.horizontal:.2f} across and "
        f"{correlation.vertical:.2f} down"
        if measured
        else "there are too few flat regions to measure how noise is correlated, so it is taken as "
        "white"
    )
    extent = settings.extent or correlation.extent
    why = f"only noisy images, and {found}" if name == "auto" else f"as asked; {found}"
    if name == "auto":
        name = "refinement" if denoise and correlation.is_white else "noise2void"
    if name == "refinement":
        return _refined(fields, settings, denoise, rgb, extent, why)
    notes: tuple[str, ...] = ()
    objective: Objective
    if name == "neighbor2neighbor":
        objective = Neighbor2Neighbor()
        if not correlation.is_white:
            notes = (
                "The noise of neighbouring pixels is correlated, which neighbor2neighbor takes for "
                "structure; noise2void fits better.",
            )
    else:
        objective = Noise2Void(extent)
        why += f", {extent[0]} pixels down and {extent[1]} across hidden with each" * any(extent)
    pool = _pool(fields, settings, rgb)
    judge = _blind_judge(pool, settings, denoise, extent)
    deviation = max(0.0, float(judge.untouched().mean()) / 2) ** 0.5
    noise = f"standard deviation {deviation:.3f} on the network's scale; {found}"
    reason = f"{name}: {why}."
    return Material(pool, objective, judge, reason, notes, noise, describe(fields))


def _refined(
    noisy: list[Field],
    settings: FineTuneSettings,
    denoise: Network | None,
    rgb: bool,
    extent: tuple[int, int],
    why: str,
) -> Material:
    if denoise is None:
        raise InputError(
            "The objective refinement needs a model that can denoise already; begin with another "
            "model, or choose noise2void."
        )
    taken = excerpts(noisy)
    judged = _pool([excerpt.field for excerpt in taken], settings, rgb)
    judge = _blind_judge(judged, settings, denoise, extent)
    noises = cameras(taken, settings)
    fields = [
        excerpt.refined(denoise, noise, judged.samples)
        for excerpt, noise in zip(taken, noises, strict=True)
    ]
    pool = _pool(fields, settings, rgb)
    described = noises[0].describe() + "; others alike" * (len(noises) > 1)
    return Material(
        pool, Refinement(), judge, f"refinement: {why}.", (), described, describe(fields)
    )


def _blind_judge(
    pool: PatchPool, settings: FineTuneSettings, denoise: Network | None, extent: tuple[int, int]
) -> Judge:
    patches, _, _ = pool.held_out(settings.held_out)
    rng = np.random.default_rng([settings.seed, 7])
    return blind_judge(patches, extent, denoise or smooth, rng)


def _against_targets(
    objective: Objective,
    fields: list[Field],
    settings: FineTuneSettings,
    rgb: bool,
    reason: str,
    notes: tuple[str, ...] = (),
    noise: str = "as in the images",
) -> Material:
    """Create the material for an objective that is scored against clean or repeated patches."""
    pool = _pool(fields, settings, rgb)
    first, second, _ = pool.held_out(settings.held_out)
    rng = np.random.default_rng([settings.seed, 8])
    example = objective.example(first, second, rng)
    against = "repeats" if isinstance(objective, Noise2Noise) else "clean images"
    judge = Judge(example.noisy, example.target, against)
    return Material(pool, objective, judge, reason, notes, noise, describe(fields))


def describe(fields: list[Field]) -> str:
    """Return a description of the images for a model card."""
    first = fields[0].stack
    n_planes = sum(field.n_planes for field in fields)
    size = " x ".join(map(str, first.plane_shape))
    names = ", ".join(field.stack.name for field in fields[:4]) + ", …" * (len(fields) > 4)
    return f"{len(fields)} images with {n_planes} planes of {size}, {first.dtype}: {names}"


def _pool(fields: list[Field], settings: FineTuneSettings, rgb: bool) -> PatchPool:
    samples = 3 if rgb and all(field.stack.is_rgb for field in fields) else 1
    return PatchPool(fields, settings.patch, samples, settings.seed)


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
