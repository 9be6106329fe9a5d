"""Time a model against the paper's network, and a run against its parts.

In ``tests``: ``python -m benchmarks.bench --help``.
"""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import DeviceOption, PrecisionOption, ThreadsOption


def bench(
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A model; by default the paper's network, random weights."
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    side: Annotated[int, typer.Option(help="Side of the plane, a multiple of 16.", min=16)] = 512,
    runs: Annotated[int, typer.Option(help="Counted pairs of runs.", min=1)] = 5,
    planes: Annotated[
        int, typer.Option(help="Also time a whole run of so many planes, zarr to OME-Zarr.", min=0)
    ] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
) -> None:
    """Time a model against the paper's network as published, and a run against its parts."""
    from dataclasses import asdict
    from json import dumps
    from tempfile import TemporaryDirectory
    from typing import Any

    from napari_clip_denoise.inference.settings import make_settings
    from napari_clip_denoise.models.registry import find, load

    settings = make_settings(device=device, precision=precision, threads=threads)
    if model:
        find(model)

    from benchmarks.network import compare, paper_model
    from benchmarks.stack import bench_stack
    from napari_clip_denoise.formatting import format_bytes
    from napari_clip_denoise.inference.engine.device import resolve_device, resolve_precision

    where = resolve_device(settings.device)
    kind = resolve_precision(settings.precision, where)
    loaded = load(model) if model else paper_model()
    side = side // 16 * 16
    result = compare(loaded, where, kind, settings.threads, side=side, runs=runs)
    name = str(kind).removeprefix("torch.")
    unit = "s of processor time a plane" if where.type == "cpu" else "s a plane"
    print(f"paper's network, unfolded, float32  {result.reference:8.3f} {unit}")
    print(f"as run here, {name:22} {result.ready:8.3f} {unit}")
    print(f"ratio                               {result.ratio:8.2f}")
    share = result.rate / result.matmul_rate
    print(f"rate                                {result.rate / 1e9:8.0f} GFLOP/s, ", end="")
    print(f"{share:.2f} of that of large matrices ({result.matmul_rate / 1e9:.0f})")
    figures: dict[str, Any] = {"network": asdict(result)}
    if planes:
        with TemporaryDirectory(dir=".") as folder:
            whole = bench_stack(loaded, settings, Path(folder), planes=planes, side=side)
        figures["run"] = whole.as_json()
        print(f"plain copy, zarr to zarr            {whole.copy:8.2f} s for {planes} planes")
        print(
            f"run with an idle network            {whole.idle:8.2f} s, "
            f"{whole.copy / whole.idle:.2f} of the copy's speed"
        )
        rate = result.rate * result.ready * planes / whole.bare
        print(f"network on batches in memory        {whole.bare:8.2f} s, {rate / 1e9:.0f} GFLOP/s")
        print(
            f"whole run                           {whole.run:8.2f} s, "
            f"{whole.run / whole.bare:.2f} times the network's, "
            f"{whole.planes_per_second:.1f} planes/s, {whole.megabytes_per_second:.1f} MB/s, "
            f"peak {format_bytes(whole.peak_bytes)}"
        )
        for stage in whole.stages:
            print(
                f"  {stage.name:7} {stage.busy:4.0%} of {stage.threads} threads busy, "
                f"{format_bytes(whole.stage_bytes[stage.name])} for a region on its own"
            )
    if json is not None:
        json.write_text(dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(bench)
