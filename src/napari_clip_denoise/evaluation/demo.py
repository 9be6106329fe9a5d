"""Demonstration: simulate a noisy stack, denoise it and compare with the known truth."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.evaluation.metrics import psnr, ssim
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import Metadata, as_stack
from napari_clip_denoise.inference.progress import Progress
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

SHAPE = (24, 384, 384)
VOXEL_MICROMETRES = (0.5, 0.16, 0.16)
NOISY = "noisy.ome.tif"
DENOISED = "denoised.ome.zarr"
PICTURE = "before_after.png"
CAPTION_HEIGHT = 26


@dataclass(frozen=True)
class DemoResult:
    """Scores and output files of a demo.

    Attributes
    ----------
    psnr, ssim : (float, float)
        Scores of the noisy and the denoised stack against the truth; PSNR in dB.
    planes_per_second : float
        Speed of the whole run, including reading and writing.
    noisy, denoised, picture : Path
        Paths of the written files.
    """

    psnr: tuple[float, float]
    ssim: tuple[float, float]
    planes_per_second: float
    noisy: Path
    denoised: Path
    picture: Path


def run_demo(
    folder: Path,
    settings: DenoiseSettings,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> DemoResult:
    """Simulate a noisy fluorescence stack, denoise it to OME-Zarr, and compare with the truth.

    Parameters
    ----------
    folder : Path
        Folder for the files, created if necessary; files of an earlier demo are replaced.
    settings : DenoiseSettings
        Settings of the run.
    progress : callable, optional
        Called with a `Progress` after each batch.

    Returns
    -------
    DemoResult
        Scores before and after, speed, and the paths of the files.

    Raises
    ------
    OutputError
        If the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    taken = acquire(fluorescence(SHAPE, seed=7), seed=7)
    metadata = Metadata(VOXEL_MICROMETRES, (0.0,) * 3, ("micrometer",) * 3)
    made = as_stack(taken.noisy, "zyx", metadata=metadata, name="noisy")
    writer = create_writer(folder / NOISY, made, made.dtype, overwrite=True)
    writer.write(whole(SHAPE), taken.noisy)
    writer.finish()
    noisy = open_stack(folder / NOISY)

    started = time.perf_counter()
    denoise_to_file(noisy, folder / DENOISED, settings, overwrite=True, progress=progress)
    seconds = time.perf_counter() - started

    denoised = open_stack(folder / DENOISED).read(whole(SHAPE))
    span = float(np.ptp(taken.truth))
    result = DemoResult(
        psnr=(psnr(taken.truth, taken.noisy, span), psnr(taken.truth, denoised, span)),
        ssim=(ssim(taken.truth, taken.noisy, span), ssim(taken.truth, denoised, span)),
        planes_per_second=SHAPE[0] / seconds,
        noisy=folder / NOISY,
        denoised=folder / DENOISED,
        picture=folder / PICTURE,
    )
    middle = SHAPE[0] // 2
    panels = {
        f"noisy  {result.psnr[0]:.1f} dB": taken.noisy[middle],
        f"denoised  {result.psnr[1]:.1f} dB": denoised[middle],
        "truth": taken.truth[middle],
    }
    draw_panels(panels, taken.truth[middle]).save(result.picture)
    return result


def draw_panels(panels: dict[str, np.ndarray], reference: np.ndarray) -> Image.Image:
    """Draw planes side by side with captions, on the grey scale of a reference plane.

    Parameters
    ----------
    panels : dict of str to numpy.ndarray
        Planes (Y, X) by caption, from left to right, all of the shape of `reference`.
    reference : numpy.ndarray
        Plane (Y, X) whose percentiles 0.5 and 99.8 are shown in black and white.

    Returns
    -------
    PIL.Image.Image
        8-bit grey image.
    """
    low, high = np.percentile(reference, (0.5, 99.8))
    height, width = reference.shape
    gap = 4
    picture = Image.new(
        "L", (len(panels) * (width + gap) - gap, height + CAPTION_HEIGHT), color=255
    )
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=16)
    for i, (caption, plane) in enumerate(panels.items()):
        grey = np.clip((plane.astype(np.float64) - low) / (high - low), 0, 1)
        left = i * (width + gap)
        picture.paste(Image.fromarray((255 * grey).astype(np.uint8)), (left, CAPTION_HEIGHT))
        draw.text((left + 6, 3), caption, fill=0, font=font)
    return picture
