"""The objectives of a fine-tuning: one row each, for settings, window and command line.

To add one, derive a class from `Objective` in a module beside the others, and add its row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_clip_denoise.errors import InputError

if TYPE_CHECKING:
    from napari_clip_denoise.images.stack import Stack

AUTO = "auto"
FEWEST_PLANES = 3


@dataclass(frozen=True)
class Images:
    """Available images, and the settings that add to them.

    Attributes
    ----------
    noisy, clean, repeats : list of Stack
        Images of each kind; empty for missing kinds.
    repeat_axis : str or None
        Axis along which the noisy images are repeated.
    noise_is_given : bool
        Whether the settings tell the noise to add.
    """

    noisy: "list[Stack]"
    clean: "list[Stack]"
    repeats: "list[Stack]"
    repeat_axis: str | None = None
    noise_is_given: bool = False


@dataclass(frozen=True)
class ObjectiveEntry:
    """Row of the registry.

    Attributes
    ----------
    name : str
        Name in settings and on the command line.
    label : str
        Entry of the menu.
    help : str
        Description in a few words.
    needs : str
        Images and settings that it needs, in words.
    has : callable
        Returns whether these are there.
    module : str
        Module of the class, below `napari_clip_denoise.training.finetune.objectives`. It is
        imported when the objective is used, because it imports torch.
    class_name : str
        Name of the class, which is derived from `Objective`.
    """

    name: str
    label: str
    help: str
    needs: str
    has: Callable[[Images], bool]
    module: str
    class_name: str

    def load(self) -> Any:
        """Import the class."""
        package = __name__.rpartition(".")[0]
        return getattr(import_module(f"{package}.objectives.{self.module}"), self.class_name)

    def check(self, images: Images) -> None:
        """Raise an `InputError` if images or settings that the objective needs are missing."""
        if not self.has(images):
            raise InputError(
                f"The objective {self.name} needs {self.needs}; give them or choose another."
            )


def _has_noisy(images: Images) -> bool:
    return bool(images.noisy)


def _has_planes(images: Images) -> bool:
    return any(
        size >= FEWEST_PLANES
        for stack in images.noisy
        for axis, size in zip(stack.axes, stack.leading_shape, strict=False)
        if axis != "c"
    )


def _has_pairs(images: Images) -> bool:
    return bool(images.noisy and images.clean)


def _has_repeats(images: Images) -> bool:
    return bool(images.noisy and (images.repeats or images.repeat_axis))


def _has_clean(images: Images) -> bool:
    return bool(images.clean and (images.noisy or images.noise_is_given))


OBJECTIVES = (
    ObjectiveEntry(
        "supervised",
        "Supervised (clean pairs)",
        "learns from clean images of the same fields",
        "noisy images and clean ones of the same fields",
        _has_pairs,
        "supervised",
        "Supervised",
    ),
    ObjectiveEntry(
        "noise2noise",
        "Noise2Noise (repeats)",
        "learns from repeated images of the same fields",
        "noisy images, and repeats of them or the axis along which they are repeated",
        _has_repeats,
        "noise2noise",
        "Noise2Noise",
    ),
    ObjectiveEntry(
        "refinement",
        "Refinement (only noisy)",
        "removes re-simulated noise from the base model's output",
        "noisy images",
        _has_noisy,
        "refinement",
        "Refinement",
    ),
    ObjectiveEntry(
        "noise2void",
        "Noise2Void (only noisy)",
        "predicts hidden pixels from those around them",
        "noisy images",
        _has_noisy,
        "noise2void",
        "Noise2Void",
    ),
    ObjectiveEntry(
        "neighbor2neighbor",
        "Neighbor2Neighbor (only noisy)",
        "predicts pixels from their neighbours",
        "noisy images",
        _has_noisy,
        "neighbor2neighbor",
        "Neighbor2Neighbor",
    ),
    ObjectiveEntry(
        "neighbors",
        "Neighbouring planes (only noisy)",
        "predicts a plane from those before and after it, where they agree",
        "noisy stacks of at least three planes along z or t",
        _has_planes,
        "neighbors",
        "Neighbors",
    ),
    ObjectiveEntry(
        "synthetic",
        "Synthetic noise on clean images",
        "adds measured or given noise to clean images",
        "clean images, and noisy ones or numbers that tell the noise",
        _has_clean,
        "synthetic",
        "Synthetic",
    ),
)


def objective_names() -> tuple[str, ...]:
    """Return the names that the settings accept."""
    return (AUTO, *(row.name for row in OBJECTIVES))


def objective_choices() -> tuple[tuple[str, str], ...]:
    """Return the labels and names for a menu."""
    return (("Automatic", AUTO), *((row.label, row.name) for row in OBJECTIVES))


def objective_help() -> str:
    """Return a description of all objectives for the command line."""
    described = "; ".join(f"{row.name} ({row.help})" for row in OBJECTIVES)
    return f"{AUTO} (default: chosen by images and noise); {described}."


def entry(name: str) -> ObjectiveEntry:
    """Return the row of an objective."""
    return next(row for row in OBJECTIVES if row.name == name)


def choose(name: str, images: Images) -> str:
    """Return the name of the objective, after checking that the images it needs are available.

    Parameters
    ----------
    name : str
        Name of an objective, or ``"auto"``.
    images : Images
        Available images.

    Returns
    -------
    str
        Name of the objective, or ``"auto"`` if it depends on the noise of the noisy images.

    Raises
    ------
    InputError
        If images are missing.
    """
    if name == AUTO:
        if images.noisy and images.clean:
            name = "supervised"
        elif images.clean:
            name = "synthetic"
        elif images.repeats or images.repeat_axis:
            name = "noise2noise"
        elif images.noisy:
            return AUTO
        else:
            raise InputError(
                "There is nothing to learn from; give noisy images, clean ones or both."
            )
    entry(name).check(images)
    return name
