"""Options shared by several commands, and those of a run."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_clip_denoise.images.intensity_methods import INTENSITIES

if TYPE_CHECKING:
    from napari_clip_denoise.inference.settings import DenoiseSettings

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model by name, a .safetensors file, or a package of the BioImage Model Zoo (.zip); "
        "auto is compact-rgb for RGB, else compact.",
    ),
]
SelfEnsembleOption = Annotated[
    bool,
    typer.Option(
        "--self-ensemble",
        help="Average the results for eight rotated and flipped copies: slightly better, but takes "
        "eight times as long.",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(help="Number of CPU threads of the network; they decide the last bits."),
]
ClipWeightsOption = Annotated[
    Path | None,
    typer.Option(help="Local file with CLIP's weights, for models that hold only a decoder."),
]


@dataclass(frozen=True)
class Run:
    """What the options of a run say.

    Attributes
    ----------
    settings : DenoiseSettings
        Settings that decide the pixels.
    axes : str or None
        Axes of the input, one letter per dimension.
    series : int, str or None
        Number or name of the image in a file that holds several.
    clip_weights : Path or None
        Local file with CLIP's weights.
    """

    settings: "DenoiseSettings"
    axes: str | None
    series: int | str | None
    clip_weights: Path | None


def read_run(
    model: ModelOption = "auto",
    axes: Annotated[
        str | None,
        typer.Option(help="One letter per dimension, such as zyx, tcyx or yxs (s: RGB samples)."),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            "--series",
            "--scene",
            metavar="NUMBER|NAME",
            help="Image in a file that holds several: its number, from 0, or in a microscope's "
            "file also the name of the scene.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Settings for a kind of image: general, or ct (Hounsfield units).")
    ] = "general",
    intensity: Annotated[
        str | None,
        typer.Option(
            help="Which raw values become 0 and 1 for the network. "
            + "; ".join(f"{name}: {method.description}" for name, method in INTENSITIES.items())
            + "; or two values such as 0,65535. By default that of the preset."
        ),
    ] = None,
    noise_level: Annotated[
        str,
        typer.Option(
            help="Noise level, for models that are told it: auto measures it, blind lets the "
            "network guess, a number is its standard deviation in raw units."
        ),
    ] = "auto",
    hot_pixels: Annotated[
        str,
        typer.Option(
            help="Isolated pixels far outside the usual range: keep leaves them as they are, "
            "replace denoises them from their neighbours."
        ),
    ] = "keep",
    destripe: Annotated[
        str,
        typer.Option(
            help="Remove offsets of whole rows or columns, as of a scanner or camera: off, rows or "
            "columns."
        ),
    ] = "off",
    context: Annotated[
        int,
        typer.Option(
            help="Planes before and after each plane that are averaged with it where they agree, "
            "for models that are told the noise level; 0: each plane by itself.",
            min=0,
            max=5,
        ),
    ] = 0,
    context_axis: Annotated[
        str | None,
        typer.Option(help="Axis of these planes, such as z or t; by default the one before y."),
    ] = None,
    context_align: Annotated[
        bool,
        typer.Option(
            "--context-align/--no-context-align",
            help="First move these planes to where the plane shows the same structure, for images "
            "that drift.",
        ),
    ] = False,
    strength: Annotated[
        float, typer.Option(help="Fraction of the noise that is removed, from 0 to 1.")
    ] = 1.0,
    self_ensemble: SelfEnsembleOption = False,
    dtype: Annotated[
        str | None, typer.Option(help="Type of the result; by default that of the input.")
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles of a large plane, a multiple of 16.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Number of tiles or planes per call of the network.")
    ] = None,
    threads: ThreadsOption = None,
    clip_weights: ClipWeightsOption = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Check up to five planes of the result, and say whether only noise was removed.",
        ),
    ] = True,
) -> Run:
    """Combine the options of a run; the parameters are those of `DenoiseSettings`.

    Raises
    ------
    InputError
        If a setting is invalid, or has no effect without another one.
    """
    from napari_clip_denoise.errors import InputError
    from napari_clip_denoise.images.intensity import parse_intensity, parse_noise_level
    from napari_clip_denoise.inference.settings import make_settings

    if not context and (context_align or context_axis):
        raise InputError(
            "Planes are aligned, and an axis is chosen, only if neighbours are used; give "
            "--context 1 as well, or leave out --context-align and --context-axis."
        )
    values: dict[str, object] = {"intensity": parse_intensity(intensity)} if intensity else {}
    settings = make_settings(
        preset,
        **values,
        model=model,
        noise_level=parse_noise_level(noise_level),
        hot_pixels=hot_pixels,
        destripe=destripe,
        context=context,
        context_axis=context_axis,
        context_align=context_align,
        strength=strength,
        self_ensemble=self_ensemble,
        output_dtype=dtype,
        device=device,
        precision=precision,
        tile=tile,
        batch=batch,
        threads=threads,
        check=check,
    )
    number = int(series) if series is not None and series.isdecimal() else series
    return Run(settings, axes, number, clip_weights)


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `read_run`; it receives them as its parameter ``run``."""
    shared = inspect.signature(read_run).parameters
    own = {k: v for k, v in inspect.signature(command).parameters.items() if k != "run"}

    def call(**values: object) -> None:
        options = {name: values.pop(name) for name in shared}
        command(run=read_run(**options), **values)  # type: ignore[arg-type]

    arguments = {name: p for name, p in own.items() if p.default is p.empty}
    parameters = arguments | dict(shared) | own
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=p.KEYWORD_ONLY) for p in parameters.values()]
    )
    call.__name__, call.__doc__ = command.__name__, command.__doc__
    return call


def parse_shard(text: str) -> tuple[int, int]:
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
        raise InputError(f"The shard '{text}' is wrong; give i/n with i from 0 to n - 1.")
    return int(part), int(n_parts)
