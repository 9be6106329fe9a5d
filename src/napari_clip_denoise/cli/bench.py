"""``clip-denoise bench``."""

from typing import Annotated

import typer

from napari_clip_denoise.cli.options import DeviceOption, PrecisionOption


def bench(
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A model; by default the paper's network, random weights."
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    side: Annotated[int, typer.Option(help="Side of the plane, a multiple of 16.", min=16)] = 512,
    runs: Annotated[int, typer.Option(help="Counted pairs of runs.", min=1)] = 5,
) -> None:
    """Time a model as it is run here against the paper's way of running it."""
    from napari_clip_denoise.evaluation.bench import compare, paper_model
    from napari_clip_denoise.inference.device import resolve_device, resolve_precision
    from napari_clip_denoise.inference.settings import make_settings
    from napari_clip_denoise.models.registry import load

    settings = make_settings(device=device, precision=precision)
    where = resolve_device(settings.device)
    kind = resolve_precision(settings.precision, where)
    result = compare(
        load(model) if model else paper_model(), where, kind, side=side // 16 * 16, runs=runs
    )
    name = str(kind).removeprefix("torch.")
    print(f"unfolded, layer4 computed, float32  {result.reference:8.3f} s a plane")
    print(f"as run here, {name:22} {result.ready:8.3f} s a plane")
    print(f"ratio                               {result.ratio:8.2f}")
