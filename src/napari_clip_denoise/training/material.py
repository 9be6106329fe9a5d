"""What a fine-tuning learns from and by: its fields and its objective, chosen and explained."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import ChannelMapping, estimate_mapping
from napari_clip_denoise.images.source import Stack, as_stack
from napari_clip_denoise.noise.camera import CameraNoise
from napari_clip_denoise.noise.correlation import NoiseCorrelation, estimate_correlation
from napari_clip_denoise.noise.estimate import estimate_noise
from napari_clip_denoise.training.fields import Field, PatchPool, in_memory
from napari_clip_denoise.training.finetune_settings import FineTuneSettings
from napari_clip_denoise.training.objectives import (
    Judge,
    Neighbor2Neighbor,
    Noise2Noise,
    Noise2Void,
    Objective,
    Supervised,
    Synthetic,
    blind_judge,
)
from napari_clip_denoise.training.pairs import IDENTITY, Line, check_pair
from napari_clip_denoise.training.sources import open_sources, pair_up

BLIND = ("noise2void", "neighbor2neighbor")
MAX_MEASURED = 16
SMOOTHING = 2.0
RANGE = (1, 99)


@dataclass(frozen=True)
class Material:
    """What a fine-tuning learns from and by.

    Attributes
    ----------
    pool : PatchPool
        Where patches come from.
    objective : Objective
        How a training target is made.
    judge : Judge
        Scores a network on held-out patches.
    reason : str
        Which objective it is, and why.
    notes : tuple of str
        What else was found, a sentence each.
    noise : str
        The noise, in words.
    data : str
        The images, in words.
    """

    pool: PatchPool
    objective: Objective
    judge: Judge
    reason: str
    notes: tuple[str, ...]
    noise: str
    data: str


@dataclass(frozen=True)
class _Images:
    """What there is of each kind; empty where there is nothing."""

    noisy: list[Stack]
    clean: list[Stack]
    repeats: list[Stack]


def gather(
    noisy: Any,
    clean: Any,
    repeats: Any,
    settings: FineTuneSettings,
    *,
    axes: str | None = None,
    rgb: bool = False,
) -> Material:
    """Open and check the images, choose the objective, and measure the noise where that is needed.

    Parameters
    ----------
    noisy, clean, repeats :
        What there is of each, see `open_sources`; None where there is nothing.
    settings : FineTuneSettings
        See there.
    axes : str, optional
        Of all images.
    rgb : bool
        Whether the network takes RGB.

    Raises
    ------
    InputError
        If the images do not fit the objective, or each other, or cannot be learned from.
    """
    images = _Images(
        *(
            [] if source is None else in_memory(open_sources(source, axes))
            for source in (noisy, clean, repeats)
        )
    )
    match _named(settings, images):
        case "supervised":
            return _supervised(images, settings, rgb)
        case "noise2noise":
            return _repeated(images, settings, rgb)
        case "synthetic":
            return _synthetic(images, settings, rgb)
        case name:
            return _blind(name, images.noisy, settings, rgb)


def _named(settings: FineTuneSettings, images: _Images) -> str:
    """Find which objective it is, and check that it has what it needs."""
    name = settings.objective
    noisy, clean = images.noisy, images.clean
    is_repeated = images.repeats or settings.repeat_axis
    if name == "auto":
        if noisy and clean:
            return "supervised"
        if clean:
            name = "synthetic"
        elif is_repeated:
            name = "noise2noise"
        elif not noisy:
            raise InputError(
                "There is nothing to learn from; give noisy images, clean ones or both."
            )
        else:
            return "auto"
    lacking = {
        "supervised": not (noisy and clean) and "noisy images and clean ones of the same fields",
        "noise2noise": not (noisy and is_repeated)
        and "noisy images, and repeats of them or the axis along which they are repeated",
        "synthetic": not (clean and (noisy or settings.noise))
        and "clean images, and noisy ones or numbers that tell the noise",
    }.get(name, not noisy and "noisy images")
    if lacking:
        raise InputError(f"The objective {name} needs {lacking}; give them or choose another.")
    return name


def _supervised(images: _Images, settings: FineTuneSettings, rgb: bool) -> Material:
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
        _mapped_field(first, settings, other=second, line=line, is_clean=True)
        for (first, second), line in zip(pairs, lines, strict=True)
    ]
    reason = "supervised: there are clean images of the same fields."
    return _against_targets(Supervised(), fields, settings, rgb, reason, notes)


def _repeated(images: _Images, settings: FineTuneSettings, rgb: bool) -> Material:
    if images.repeats:
        pairs = pair_up(images.noisy, images.repeats, "repeated")
        for first, second in pairs:
            check_pair(first, second, clean=False)
        fields = [_mapped_field(first, settings, other=second) for first, second in pairs]
        reason = "noise2noise: there are repeats of the same fields."
    else:
        axis = settings.repeat_axis or ""
        for stack in images.noisy:
            _check_repeat_axis(stack, axis)
        fields = [_mapped_field(stack, settings, repeat_axis=axis) for stack in images.noisy]
        reason = f"noise2noise: the same fields are repeated along axis {axis}."
    return _against_targets(Noise2Noise(), fields, settings, rgb, reason)


def _synthetic(images: _Images, settings: FineTuneSettings, rgb: bool) -> Material:
    planes = [plane for stack in _some(images.clean) for plane in Field(stack, None).sample()]
    line = IDENTITY
    if settings.noise:
        by_hand = settings.noise
        noise = CameraNoise(by_hand.gain, by_hand.offset, by_hand.read_noise)
        mapping = _mapping_of_simulated(planes, noise, settings)
        reason = "synthetic: there are clean images and the noise is given."
    else:
        noise = measure_camera(images.noisy, settings)
        line = _same_range(
            planes, [p for stack in _some(images.noisy) for p in Field(stack, None).sample()]
        )
        mapping = _mapping_of_simulated([line(plane) for plane in planes], noise, settings)
        reason = "synthetic: there are clean images, and noise is measured in the noisy ones."
    objective = Synthetic(noise, mapping)
    fields = [Field(stack, None, line=line) for stack in images.clean]
    return _against_targets(objective, fields, settings, rgb, reason, noise=noise.describe())


def _blind(name: str, noisy: list[Stack], settings: FineTuneSettings, rgb: bool) -> Material:
    fields = [_mapped_field(stack, settings) for stack in noisy]
    measured = estimate_correlation(chain.from_iterable(f.sample() for f in _some(fields)))
    correlation = measured or NoiseCorrelation.white()
    found = (
        f"noise of neighbours is correlated by {correlation.horizontal:.2f} across and "
        f"{correlation.vertical:.2f} down"
        if measured
        else "there are too few flat regions to measure how noise is correlated, so it is taken as "
        "white"
    )
    extent = settings.extent or correlation.extent
    objective: Objective = Noise2Void(extent) if name == "noise2void" else Neighbor2Neighbor()
    if name == "auto" and extent != (0, 0):
        objective = Noise2Void(extent)
    notes: tuple[str, ...] = ()
    if name == "neighbor2neighbor" and not correlation.is_white:
        notes = (
            "The noise of neighbouring pixels is correlated, which neighbor2neighbor takes for "
            "structure; noise2void fits better.",
        )
    hidden = f", {extent[0]} pixels down and {extent[1]} across hidden with each" * any(extent)
    why = f"only noisy images, and {found}" if name == "auto" else f"as asked; {found}"
    is_void = isinstance(objective, Noise2Void)
    reason = f"{objective.name}: {why}{hidden * is_void}."
    pool = _pool(fields, settings, rgb)
    patches, _, numbers = pool.held_out(settings.held_out)
    estimates = {number: estimate_noise(fields[number].sample()) for number in set(numbers)}
    variance = np.zeros(len(patches))
    for i, number in enumerate(numbers):
        estimate = estimates[number]
        if estimate is None:
            raise InputError(
                f"The noise of '{fields[number].stack.name}' cannot be measured, it is too small "
                "or constant; give larger images."
            )
        variance[i] = estimate.variance(patches[i].mean()) / correlation.seen_by_high_pass
    deviation = float(np.sqrt(np.median(variance)))
    judge = blind_judge(patches, variance, correlation, np.random.default_rng([settings.seed, 7]))
    return Material(
        pool,
        objective,
        judge,
        reason,
        notes,
        f"standard deviation {deviation:.3f} on the network's scale; {found}",
        describe(fields),
    )


def _against_targets(
    objective: Objective,
    fields: list[Field],
    settings: FineTuneSettings,
    rgb: bool,
    reason: str,
    notes: tuple[str, ...] = (),
    noise: str = "as in the images",
) -> Material:
    """Put together what is judged against clean or repeated patches."""
    pool = _pool(fields, settings, rgb)
    first, second, _ = pool.held_out(settings.held_out)
    rng = np.random.default_rng([settings.seed, 8])
    example = objective.example(first, second, rng)
    against = "repeats" if isinstance(objective, Noise2Noise) else "clean images"
    judge = Judge(example.noisy, example.target, against)
    return Material(pool, objective, judge, reason, notes, noise, describe(fields))


def measure_camera(noisy: list[Stack], settings: FineTuneSettings) -> CameraNoise:
    """Estimate the noise of raw images, and how it is correlated.

    Raises
    ------
    InputError
        If there is too little to measure.
    """
    some = _some(noisy)
    raw = estimate_noise(chain.from_iterable(Field(stack, None).sample() for stack in some))
    if raw is None:
        raise InputError("The noise cannot be measured; give larger noisy images, or its numbers.")
    mapped = (_mapped_field(stack, settings).sample() for stack in some)
    return CameraNoise.from_estimate(raw, estimate_correlation(chain.from_iterable(mapped)))


def describe(fields: list[Field]) -> str:
    """Say what images were seen, for a model card."""
    first = fields[0].stack
    n_planes = sum(field.n_planes for field in fields)
    size = " x ".join(map(str, first.plane_shape))
    names = ", ".join(field.stack.name for field in fields[:4]) + ", …" * (len(fields) > 4)
    return f"{len(fields)} images with {n_planes} planes of {size}, {first.dtype}: {names}"


def _mapped_field(stack: Stack, settings: FineTuneSettings, **others: Any) -> Field:
    mapping = estimate_mapping(stack, settings.intensity)
    if any(channel.high <= channel.low for channel in mapping.channels):
        raise InputError(f"'{stack.name}' is constant, there is nothing to learn; give another.")
    return Field(stack, mapping, **others)


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


def _mapping_of_simulated(
    planes: list[np.ndarray], noise: CameraNoise, settings: FineTuneSettings
) -> ChannelMapping:
    """The mapping that noisy images such as these would get in a run."""
    rng = np.random.default_rng([settings.seed, 9])
    height, width = (min(sides) for sides in zip(*(plane.shape for plane in planes), strict=True))
    noisy = np.stack([noise(plane[:height, :width], rng) for plane in planes])
    return estimate_mapping(as_stack(noisy, "zyx", name="clean"), settings.intensity).channels[0]


def _same_range(planes: list[np.ndarray], noisy: list[np.ndarray]) -> Line:
    """Bring clean values to the range that the noisy ones have once they are smoothed."""
    low, high, noisy_low, noisy_high = (
        float(value)
        for side in (planes, noisy)
        for value in np.percentile(
            np.concatenate([gaussian_filter(p.astype(float), SMOOTHING).ravel() for p in side]),
            RANGE,
        )
    )
    if high <= low:
        raise InputError("The clean images are constant, there is nothing to learn; give others.")
    slope = (noisy_high - noisy_low) / (high - low)
    return Line(slope, noisy_low - slope * low)


def _some(items: list[Any]) -> Iterable[Any]:
    """At most `MAX_MEASURED` of a list, evenly chosen."""
    chosen = np.linspace(0, len(items) - 1, min(len(items), MAX_MEASURED)).astype(int)
    return [items[i] for i in np.unique(chosen)]
