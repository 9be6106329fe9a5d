"""Pre- and postprocessing of a package: what of it is a mapping, and what are steps.

The engine maps raw values linearly to the network's scale, adds the network's change, and maps it
back. So a package's preprocessing is split into that line and steps on the network's scale.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.zoo.card import Normalization
from napari_clip_denoise.network.config import Step

LARGEST = 3.4e38
"""Stands for no limit; a little below the largest float32."""
PLANE = {"y", "x"}


def split_preprocessing(
    described: Sequence[Any], channels: int
) -> tuple[Normalization, tuple[Step, ...]]:
    """Split the preprocessing of a package into a linear mapping and the steps after it.

    Parameters
    ----------
    described : sequence
        Descriptions of its parts, as `bioimageio.spec` gives them.
    channels : int
        Channels of the image.

    Raises
    ------
    ModelError
        If a part of it cannot be carried out.
    """
    line = Normalization()
    steps: list[Step] = []
    for part in described:
        if part.id in ("scale_range", "zero_mean_unit_variance"):
            if line != Normalization() or steps:
                raise _refusal(part.id, "comes after another part of the preprocessing")
            line = _measured(part, channels)
        elif (step := _step(part)) is None:
            continue
        elif step.kind == "linear" and not steps:
            line = _then(line, step)
        elif step.kind == "linear" and all(each.kind == "clip" for each in steps):
            line = _then(line, step)
            steps = [_through(step, each) for each in steps]
        else:
            steps.append(step)
    return line, tuple(steps)


def split_postprocessing(described: Sequence[Any], line: Normalization) -> tuple[Step, ...]:
    """Return the postprocessing of a package as steps that end on the network's scale.

    A package that scales its result brings it to the scale of the image. From there, it is brought
    back to the network's scale, because the engine does the rest. The result of any other package
    is on the network's scale already.

    Parameters
    ----------
    described : sequence
        See `split_preprocessing`.
    line : Normalization
        Mapping of the package's input.

    Raises
    ------
    ModelError
        If a part of it cannot be carried out.
    """
    steps: list[Step] = []
    for part in described:
        step = _step(part)
        if step is not None:
            steps.append(step)
    if all(step.kind != "linear" for step in steps):
        return tuple(steps)
    if line.measured != "nothing":
        raise ModelError(
            "The package scales its result by fixed numbers though it measured its input, so the "
            "result is not on the scale of the image; ask its authors for one that is."
        )
    steps.append(Step("linear", line.gain, line.offset))
    merged: list[Step] = []
    for step in steps:
        if step.kind == "linear" and merged and merged[-1].kind == "linear":
            before = merged.pop()
            gain, offset = before.first * step.first, before.second * step.first + step.second
            merged.append(Step("linear", gain, offset))
        else:
            merged.append(step)
    return tuple(merged)


def _step(part: Any) -> Step | None:
    """Return a part that needs no measuring as a step; None if it changes nothing."""
    kwargs = part.kwargs
    if part.id == "ensure_dtype":
        if kwargs.dtype not in ("float32", "float64"):
            raise _refusal(part.id, f"rounds values to {kwargs.dtype}")
        return None
    if part.id == "sigmoid":
        return Step("sigmoid")
    if part.id == "clip":
        if kwargs.min_percentile is not None or kwargs.max_percentile is not None:
            raise _refusal(part.id, "clips to measured values")
        low = -LARGEST if kwargs.min is None else kwargs.min
        return Step("clip", low, LARGEST if kwargs.max is None else kwargs.max)
    if part.id == "scale_linear":
        return _linear(part.id, *map(_number, (kwargs.gain, kwargs.offset)))
    if part.id == "fixed_zero_mean_unit_variance":
        mean, deviation = map(_number, (kwargs.mean, kwargs.std))
        if mean is None or deviation is None:
            return _linear(part.id, None, None)
        return _linear(part.id, 1 / deviation, -mean / deviation)
    raise _refusal(part.id, "is not a calculation that can be done tile by tile")


def _number(value: float | Sequence[float]) -> float | None:
    """Return the only number of a value, or None if it differs between channels."""
    if isinstance(value, (int, float)):
        return float(value)
    numbers = {float(each) for each in value}
    return numbers.pop() if len(numbers) == 1 else None


def _linear(name: str, gain: float | None, offset: float | None) -> Step:
    if gain is None or offset is None:
        raise _refusal(name, "differs between the channels")
    if gain <= 0:
        raise _refusal(name, "turns bright into dark")
    return Step("linear", gain, offset)


def _measured(part: Any, channels: int) -> Normalization:
    kwargs = part.kwargs
    axes = None if kwargs.axes is None else {str(axis) for axis in kwargs.axes}
    needed = PLANE | ({"channel"} if channels > 1 else set())
    if axes is not None and not needed <= axes:
        left = " and ".join(sorted(needed - axes))
        raise _refusal(part.id, f"measures the image apart for each {left}")
    if part.id == "zero_mean_unit_variance":
        return Normalization("moments", epsilon=kwargs.eps)
    if kwargs.reference_tensor is not None:
        raise _refusal(part.id, "measures another tensor")
    ends = kwargs.min_percentile, kwargs.max_percentile
    return Normalization("percentiles", percentiles=ends, epsilon=kwargs.eps)


def _then(line: Normalization, step: Step) -> Normalization:
    gain, offset = line.gain * step.first, line.offset * step.first + step.second
    return replace(line, gain=gain, offset=offset)


def _through(line: Step, clip: Step) -> Step:
    """Return the clipping that does after a line what one does before it."""
    low, high = (
        end if abs(end) == LARGEST else line.first * end + line.second
        for end in (clip.first, clip.second)
    )
    return Step("clip", low, high)


def _refusal(name: str, reason: str) -> ModelError:
    return ModelError(
        f"The package cannot be run here, because its '{name}' {reason}; use it in a program of "
        "the BioImage Model Zoo, or ask its authors for one without it."
    )
