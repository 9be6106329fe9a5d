"""``clip-denoise demo``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import DeviceOption, ModelOption


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")] = Path("demo"),
    model: ModelOption = "auto",
    device: DeviceOption = "auto",
) -> None:
    """Simulate a noisy 3D stack, denoise it, and compare with the known truth."""
    from napari_clip_denoise.cli.progress import progress_bar
    from napari_clip_denoise.evaluation.demo import run_demo
    from napari_clip_denoise.inference.settings import make_settings

    with progress_bar("Denoising") as report:
        result = run_demo(folder, make_settings(model=model, device=device), progress=report)
    gain = result.psnr[1] - result.psnr[0]
    print(f"PSNR  {result.psnr[0]:6.2f} dB -> {result.psnr[1]:6.2f} dB  ({gain:+.2f} dB)")
    print(f"SSIM  {result.ssim[0]:6.3f}    -> {result.ssim[1]:6.3f}")
    print(f"Speed {result.planes_per_second:6.1f} planes/s")
    print(f"Noisy stack     {result.noisy}")
    print(f"Denoised stack  {result.denoised}")
    print(f"Before, after   {result.picture}")
