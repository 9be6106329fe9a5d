"""The settings of a run, shared by napari, the command line and the library."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity
from napari_clip_denoise.models.folder import AUTO

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
PresetName = Literal["general", "ct"]

PRESETS: dict[PresetName, dict[str, object]] = {
    "general": {"intensity": DEFAULT_INTENSITY},
    "ct": {"intensity": "window"},
}
"""Settings that suit a kind of images, by field of `DenoiseSettings`."""


class DenoiseSettings(BaseModel):
    """All that decides the pixels of a result, but for the source.

    Attributes
    ----------
    model : str
        Name in the registry, or path of a model file; ``"auto"`` is ``compact-rgb`` for RGB
        images and ``compact`` for all others.
    intensity : str or (float, float)
        How raw values map to the network's scale, see
        `napari_clip_denoise.images.intensity.estimate_mapping`.
    strength : float
        Share of the noise that is removed: 0 gives the input back, 1 the denoised image.
    self_ensemble : bool
        Whether to average what the network makes of eight turned and mirrored copies, which
        takes eight times as long.
    output_dtype : str or None
        Type of the result, such as ``"float32"``; None keeps the input's.
    device : str
        ``"auto"`` takes CUDA, else Apple's MPS, else the CPU.
    precision : str
        Arithmetic of the convolutions. ``"auto"`` is bfloat16 on CUDA where the card has it,
        float16 on older ones, and float32 elsewhere.
    tile : int or None
        Side of the tiles of a large plane in pixels, a multiple of 16; None chooses.
    batch : int or None
        Tiles or planes in one call of the network; None chooses.
    threads : int or None
        Of the network on the CPU, which decide the last bits of its sums; None takes torch's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str = AUTO
    intensity: Intensity = DEFAULT_INTENSITY
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    self_ensemble: bool = False
    output_dtype: str | None = None
    device: DeviceName = "auto"
    precision: Precision = "auto"
    tile: Annotated[int, Field(gt=0, multiple_of=16)] | None = None
    batch: Annotated[int, Field(gt=0)] | None = None
    threads: Annotated[int, Field(gt=0)] | None = None


def make_settings(preset: str = "general", **values: object) -> DenoiseSettings:
    """Check settings and put them together.

    Parameters
    ----------
    preset : str
        What to take for those that are not given, see `PRESETS`.
    **values
        Fields of `DenoiseSettings`.

    Raises
    ------
    InputError
        With one sentence on the first setting that is wrong.
    """
    if preset not in PRESETS:
        raise InputError(f"There is no preset '{preset}'; choose one of: {', '.join(PRESETS)}.")
    values = {**PRESETS[preset], **values}
    try:
        return DenoiseSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        reason = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"The setting {name}={values.get(name)!r} is wrong: {reason}.") from error
