"""Choice of the training objective, by the settings or by the available images."""

from dataclasses import dataclass

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.training.finetune.settings import FineTuneSettings


@dataclass(frozen=True)
class Images:
    """Available images of each kind; empty lists for missing kinds."""

    noisy: list[Stack]
    clean: list[Stack]
    repeats: list[Stack]


def named_objective(settings: FineTuneSettings, images: Images) -> str:
    """Return the name of the objective, after checking that the images it needs are available.

    Returns
    -------
    str
        Name of the objective, or ``"auto"`` if it depends on the noise of the noisy images.

    Raises
    ------
    InputError
        If images are missing.
    """
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
