"""Settings of a run, shared by napari, the command line and the library.

They can be written as a command or as a Python script, either of which repeats the run.
"""

import reprlib
import shlex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity, NoiseLevel
from napari_clip_denoise.images.lines import Destripe
from napari_clip_denoise.models.folder import AUTO

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
HotPixels = Literal["keep", "replace"]
PresetName = Literal["general", "ct"]

MOST_THREADS = 1024
MOST_CONTEXT = 5

PRESETS: dict[PresetName, dict[str, object]] = {
    "general": {"intensity": DEFAULT_INTENSITY},
    "ct": {"intensity": "window"},
}
"""Settings that suit a kind of image, by field of `DenoiseSettings`."""

OPTIONS = {"output_dtype": "dtype"}
"""Command-line options whose name differs from that of the setting."""


class DenoiseSettings(BaseModel):
    """Everything apart from the source that decides a result.

    Attributes
    ----------
    model : str
        Name in the registry, or path of a model file; ``"auto"`` is ``compact-rgb`` for RGB
        images and ``compact`` for all others.
    intensity : str or (float, float)
        Mapping of raw values to the network's scale, see
        `napari_clip_denoise.images.intensity.estimate_mapping`. With a model that clips values, the
        default is the mapping on its card.
    noise_level : str or float
        For models that are told the noise level: ``"auto"`` measures it, a number is its standard
        deviation in raw units, and ``"blind"`` tells the network that it is unknown.
    hot_pixels : str
        Isolated pixels far outside the usual range never reach the network. ``"keep"`` leaves them
        as they are, ``"replace"`` denoises them from their neighbours.
    destripe : str
        Whether to remove offsets of whole ``"rows"`` or ``"columns"``, as of a scanner or camera,
        before the network sees a plane; ``"off"`` does not.
    context : int
        Number of planes before and after each plane that are averaged with it where they agree,
        before the mean is denoised; 0 denoises each plane by itself. Only for models that are told
        the noise level.
    context_axis : str or None
        Axis of these planes, such as ``"z"`` or ``"t"``; None is the last one before the plane.
    context_align : bool
        Whether these planes are first moved to where the plane shows the same structure, for images
        that drift.
    strength : float
        Fraction of the noise that is removed, from 0 (the input) to 1 (fully denoised).
    self_ensemble : bool
        Whether to average the results for eight rotated and mirrored copies, which takes eight
        times as long.
    output_dtype : str or None
        Type of the result, such as ``"float32"``; None keeps that of the input.
    device : str
        ``"auto"`` uses CUDA if available, else Apple's MPS, else the CPU.
    precision : str
        Precision of the convolutions. ``"auto"`` is bfloat16 on CUDA devices that support it,
        float16 on older ones, and float32 elsewhere.
    tile : int or None
        Side of the tiles of a large plane in pixels, a multiple of 16; None chooses it.
    batch : int or None
        Number of tiles or planes per call of the network; None chooses it.
    threads : int or None
        Number of CPU threads of the network, which affects the last bits of the result; None
        uses the number set in torch.
    check : bool
        Whether to check, once the result is there, that only noise was removed; see
        `napari_clip_denoise.residual.run_verdict`. It does not change the pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str = AUTO
    intensity: Intensity = DEFAULT_INTENSITY
    noise_level: NoiseLevel = "auto"
    hot_pixels: HotPixels = "keep"
    destripe: Destripe = "off"
    context: Annotated[int, Field(ge=0, le=MOST_CONTEXT)] = 0
    context_axis: Annotated[str, Field(pattern="^[a-z]$")] | None = None
    context_align: bool = False
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    self_ensemble: bool = False
    output_dtype: str | None = None
    device: DeviceName = "auto"
    precision: Precision = "auto"
    tile: Annotated[int, Field(gt=0, multiple_of=16)] | None = None
    batch: Annotated[int, Field(gt=0)] | None = None
    threads: Annotated[int, Field(gt=0, le=MOST_THREADS)] | None = None
    check: bool = True


def make_settings(preset: str = "general", **values: object) -> DenoiseSettings:
    """Validate settings and return them as an object.

    Parameters
    ----------
    preset : str
        Preset for the settings that are not given, see `PRESETS`.
    **values
        Fields of `DenoiseSettings`.

    Returns
    -------
    DenoiseSettings
        The validated settings.

    Raises
    ------
    InputError
        If a setting is invalid; the message describes the first such setting in one sentence.
    """
    if preset not in PRESETS:
        raise InputError(f"There is no preset '{preset}'; choose one of: {', '.join(PRESETS)}.")
    values = {**PRESETS[preset], **values}
    try:
        return DenoiseSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        reason = (first["msg"][0].lower() + first["msg"][1:]).removeprefix("value error, ")
        given = reprlib.repr(values.get(name))
        raise InputError(
            f"The setting {name}={given} is wrong: {reason.removesuffix('.')}."
        ) from error


def as_command(settings: DenoiseSettings, source: str, result: str, axes: str) -> str:
    """Return the command that denoises a file with these settings.

    Parameters
    ----------
    settings : DenoiseSettings
        Settings of the run; those with default values are left out.
    source, result : str
        Input and output files or stores.
    axes : str
        Axes of the source, one letter per dimension.

    Returns
    -------
    str
        The command line.
    """
    words = ["clip-denoise", "denoise", source, result, f"--axes={axes}"]
    for name, value in _changed(settings).items():
        option = OPTIONS.get(name, name).replace("_", "-")
        text = ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)
        switch = f"--{option}" if value else f"--no-{option}"
        words.append(switch if isinstance(value, bool) else f"--{option}={text}")
    return shlex.join(words)


def as_python(settings: DenoiseSettings, source: str, result: str, axes: str) -> str:
    """Return a Python script that does the same as the command.

    Parameters
    ----------
    settings, source, axes :
        See `as_command`.
    result : str
        Output store, ending in ``.zarr``.

    Returns
    -------
    str
        The script.
    """
    lines = [
        "from napari_clip_denoise import denoise_to_zarr",
        "",
        "denoise_to_zarr(",
        f"    {source!r},",
        f"    {result!r},",
        f"    axes={axes!r},",
        *(f"    {name}={value!r}," for name, value in _changed(settings).items()),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _changed(settings: DenoiseSettings) -> dict[str, Any]:
    return {
        name: getattr(settings, name)
        for name, field in DenoiseSettings.model_fields.items()
        if getattr(settings, name) != field.default
    }
