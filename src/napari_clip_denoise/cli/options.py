"""Options shared by several commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from napari_clip_denoise.inference.settings import DenoiseSettings

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Name of a model, or a .safetensors file; auto is compact-rgb for RGB, else compact.",
    ),
]
SeriesOption = Annotated[
    int | None,
    typer.Option(help="Number of the image in a file that holds several, from 0.", min=0),
]
PresetOption = Annotated[
    str, typer.Option(help="Settings for a kind of images: general, or ct (Hounsfield units).")
]
IntensityOption = Annotated[
    str | None,
    typer.Option(
        help="How raw values map to the network's scale: anscombe, percentile, minmax, dtype, "
        "window (CT), or two values such as 0,65535. By default that of the preset."
    ),
]
StrengthOption = Annotated[
    float, typer.Option(help="Share of the noise that is removed, from 0 to 1.")
]
SelfEnsembleOption = Annotated[
    bool,
    typer.Option(
        "--self-ensemble",
        help="Average eight turned and mirrored runs: a little better, eight times as long.",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
TileOption = Annotated[
    int | None, typer.Option(help="Side of the tiles of a large plane, a multiple of 16.")
]
BatchOption = Annotated[
    int | None, typer.Option("--batch", help="Tiles or planes in one call of the network.")
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="Threads of the network on the CPU; they decide the last bits.")
]
ClipWeightsOption = Annotated[
    Path | None,
    typer.Option(help="Local file with CLIP's RN50 weights, for models that hold only a decoder."),
]


def parse_share(text: str) -> tuple[int, int]:
    """Parse a part of the work, such as ``0/8`` for part 0 of 8.

    Returns
    -------
    part, n_parts : int
        Index of the part, from 0, and the number of parts.

    Raises
    ------
    InputError
        If the text is not of this form.
    """
    from napari_clip_denoise.errors import InputError

    part, _, n_parts = text.partition("/")
    if not (part.isdecimal() and n_parts.isdecimal() and int(part) < int(n_parts)):
        raise InputError(f"The share '{text}' is wrong; give i/n with i from 0 to n - 1.")
    return int(part), int(n_parts)


def run_settings(preset: str, intensity: str | None, **values: object) -> "DenoiseSettings":
    """Combine the settings of a run.

    Parameters
    ----------
    preset : str
        Name of the preset.
    intensity : str or None
        Intensity mapping; None uses that of the preset.
    **values : object
        Other fields of `DenoiseSettings`.

    Returns
    -------
    DenoiseSettings
        The settings.

    Raises
    ------
    InputError
        If a setting is invalid.
    """
    from napari_clip_denoise.images.intensity import parse_intensity
    from napari_clip_denoise.inference.settings import make_settings

    if intensity:
        values["intensity"] = parse_intensity(intensity)
    return make_settings(preset, **values)
