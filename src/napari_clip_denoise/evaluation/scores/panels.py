"""Pictures of the worst and best results of a method."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from napari_clip_denoise.evaluation.metrics import psnr

CROP = 128
MAGNIFY = 2
CAPTION_HEIGHT = 26
GAP = 4


@dataclass(frozen=True, eq=False)
class Crop:
    """The same square of several images.

    Attributes
    ----------
    image : str
        Name of the image.
    gain : float
        PSNR of the first method minus that of the noisy input within the square, in dB.
    panels : dict of str to numpy.ndarray
        Squares by name, (Y, X) or (Y, X, 3) each; the truth is last.
    limits : (float, float)
        Values that are shown in black and white.
    """

    image: str
    gain: float
    panels: dict[str, np.ndarray]
    limits: tuple[float, float]


class CropGallery:
    """Crops of many images in which the first method gains least and most.

    Attributes
    ----------
    worst, best : Crop or None
        None before the first image.
    """

    def __init__(self) -> None:
        self.worst: Crop | None = None
        self.best: Crop | None = None

    def add(
        self, image: str, truth: np.ndarray, noisy: np.ndarray, results: dict[str, np.ndarray],
        *, rgb: bool,
    ) -> None:  # fmt: skip
        """Search an image, or the first plane of a stack, for a worse or better crop.

        Parameters
        ----------
        image : str
            Name of the image.
        truth, noisy : numpy.ndarray
            Truth and noisy image, (..., Y, X), or (..., Y, X, 3) for RGB.
        results : dict of str to numpy.ndarray
            Results by method, of the same shape; the first one determines the crops.
        rgb : bool
            True if the last axis holds RGB samples.
        """
        n_axes = 3 if rgb else 2
        planes = {
            name: values.reshape(-1, *values.shape[-n_axes:])[0]
            for name, values in {"noisy": noisy, **results, "truth": truth}.items()
        }
        first = next(iter(results))
        before, after = (_local_error(planes[name], planes["truth"]) for name in ("noisy", first))
        gain = 10 * np.log10((before + 1e-12) / (after + 1e-12))
        limits = tuple(float(value) for value in np.percentile(planes["truth"], (0.5, 99.5)))
        for where, is_better in ((np.argmin(gain), False), (np.argmax(gain), True)):
            y, x = np.unravel_index(where, gain.shape)
            value = float(gain[y, x])
            kept = self.best if is_better else self.worst
            if kept is not None and (value <= kept.gain if is_better else value >= kept.gain):
                continue
            window = (slice(int(y), int(y) + CROP), slice(int(x), int(x) + CROP))
            crop = Crop(
                image,
                value,
                {name: plane[window].copy() for name, plane in planes.items()},
                (limits[0], limits[1]),
            )
            if is_better:
                self.best = crop
            else:
                self.worst = crop

    def save(self, folder: Path, stem: str) -> list[Path]:
        """Write ``STEM_worst.png`` and ``STEM_best.png``.

        Parameters
        ----------
        folder : Path
            Folder for the pictures.
        stem : str
            Start of the file names.

        Returns
        -------
        list of Path
            The written files.
        """
        paths = []
        for kind, crop in (("worst", self.worst), ("best", self.best)):
            if crop is not None:
                paths.append(folder / f"{stem}_{kind}.png")
                draw_crop(crop).save(paths[-1])
        return paths


def draw_crop(crop: Crop) -> Image.Image:
    """Draw the panels side by side at twice their size, with the PSNR of each within the crop."""
    low, high = crop.limits
    truth = crop.panels["truth"]
    span = high - low or 1.0
    height, width = (MAGNIFY * side for side in truth.shape[:2])
    n_panels = len(crop.panels)
    picture = Image.new(
        "RGB", (n_panels * (width + GAP) - GAP, height + CAPTION_HEIGHT), color="white"
    )
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=15)
    for i, (name, plane) in enumerate(crop.panels.items()):
        shown = np.clip((plane.astype(np.float64) - low) / span, 0, 1)
        tile = Image.fromarray((255 * shown).astype(np.uint8)).convert("RGB")
        left = i * (width + GAP)
        picture.paste(
            tile.resize((width, height), Image.Resampling.NEAREST), (left, CAPTION_HEIGHT)
        )
        caption = name if name == "truth" else f"{name}  {psnr(truth, plane, span):.1f} dB"
        draw.text((left + 4, 4), caption, fill="black", font=font)
    return picture


def _local_error(plane: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each crop, indexed by the crop's first pixel."""
    squared = np.square(plane.astype(np.float64) - truth)
    if squared.ndim == 3:
        squared = squared.mean(axis=-1)
    sides = [min(CROP, length) for length in squared.shape]
    means = uniform_filter(squared, sides, origin=[-(side // 2) for side in sides])
    return means[: squared.shape[0] - sides[0] + 1, : squared.shape[1] - sides[1] + 1]
