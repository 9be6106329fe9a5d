"""Draw the gallery: ``python docs/gallery.py FMD48``, a folder with ``noisy`` and ``clean``.

FMD48 is the mixed test set of FMD (Zhang et al., CVPR 2019). All other images are simulated, or
come with this package or with scikit-image. Prints the table of ``gallery.md``.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
from ct_intensity import body
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from napari_clip_denoise import denoise
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

PICTURES = Path(__file__).parent / "images" / "gallery"
SIDE = 256
CAPTION = 24
GAP = 4
SHOWN = (0.5, 99.8)
RESIDUAL_WIDTH = 4.0
"""Standard deviations of the residual from mid-grey to black or white."""


@dataclass(frozen=True)
class Example:
    """A noisy plane (Y, X), (Y, X, 3) or stack, its truth if known, and how it is denoised."""

    name: str
    kind: str
    noisy: np.ndarray
    truth: np.ndarray | None = None
    settings: dict[str, object] | None = None


def examples(fmd: Path) -> Iterator[Example]:
    """Yield one example of each kind of image."""
    taken = acquire(fluorescence((SIDE, SIDE), seed=11), seed=11)
    yield Example("simulated", "Fluorescence, simulated", taken.noisy, taken.truth)
    for name, kind in (
        ("Confocal_BPAE_G_2", "Confocal, actin"),
        ("TwoPhoton_MICE_1", "Two-photon, brain"),
        ("WideField_BPAE_R_1", "Widefield, mitochondria"),
    ):
        noisy, truth = (
            np.asarray(open_stack(fmd / part / f"{name}.png").array) for part in ("noisy", "clean")
        )
        yield Example(name.partition("_")[0].lower(), kind, noisy, truth)
    samples = Path(str(resources.files("napari_clip_denoise.gui") / "sample_images"))
    for name, kind in (
        ("nuclear_envelopes", "Confocal z-stack, nuclear envelopes"),
        ("chromosomes", "Fluorescence z-stack, chromosomes"),
    ):
        stack = np.asarray(open_stack(samples / f"{name}.ome.tif").array)
        yield Example(name, kind, stack, None, {"axes": "zyx"})
    slice_, _ = body(seed=0)
    noise = np.random.default_rng(1).normal(0, 30, slice_.shape)
    noisy = np.rint(slice_ + noise).clip(-1024, 3071).astype(np.int16)
    yield Example("ct", "CT, 30 HU of noise", noisy, slice_, {"intensity": "window"})
    truth = data.immunohistochemistry()
    noise = np.random.default_rng(2).normal(0, 25, truth.shape)
    noisy = np.rint(truth + noise).clip(0, 255).astype(np.uint8)
    yield Example("histology", "Histology, RGB", noisy, truth)


def grey(plane: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return a plane as 8-bit RGB, on the scale of a reference."""
    low, high = np.percentile(reference, SHOWN)
    values = np.uint8(255 * np.clip((plane.astype(np.float64) - low) / (high - low), 0, 1))
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def residual(noisy: np.ndarray, denoised: np.ndarray) -> np.ndarray:
    """Return what was removed, 8-bit RGB around mid-grey."""
    removed = noisy.astype(np.float64) - denoised
    if removed.ndim == 3:
        removed = removed.mean(axis=-1)
    scaled = 0.5 + removed / (2 * RESIDUAL_WIDTH * removed.std())
    return np.repeat(np.uint8(255 * np.clip(scaled, 0, 1))[..., None], 3, axis=-1)


def middle(plane: np.ndarray) -> np.ndarray:
    """Return the middle of a plane."""
    top, left = ((length - min(length, SIDE)) // 2 for length in plane.shape[:2])
    return plane[top : top + SIDE, left : left + SIDE]


def draw(panels: dict[str, np.ndarray]) -> Image.Image:
    """Draw 8-bit RGB panels of the same size side by side, with captions."""
    height, width = next(iter(panels.values())).shape[:2]
    picture = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + CAPTION), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=15)
    for i, (caption, panel) in enumerate(panels.items()):
        pen.text((i * (width + GAP), 2), caption, "black", font)
        picture.paste(Image.fromarray(panel), (i * (width + GAP), CAPTION))
    return picture


def decibels(example: Example) -> Callable[[np.ndarray], str]:
    """Return a function that tells the PSNR of an image, or nothing without a truth."""
    if example.truth is None:
        return lambda image: ""
    of_bytes = example.noisy.dtype == np.uint8
    span = 255.0 if of_bytes else float(np.ptp(example.truth))
    return lambda image: f"{psnr(example.truth, image, span):.1f} dB"


def main(fmd: Path) -> None:
    """Draw the pictures, and print the table."""
    PICTURES.mkdir(exist_ok=True)
    for example in examples(fmd):
        denoised = denoise(example.noisy, **(example.settings or {}))
        if "axes" in (example.settings or {}):
            plane = len(denoised) // 2
            example, denoised = replace(example, noisy=example.noisy[plane]), denoised[plane]
        score = decibels(example)
        reference = middle(example.noisy if example.truth is None else example.truth)
        shown = {
            f"noisy {score(example.noisy)}": grey(middle(example.noisy), reference),
            f"denoised {score(denoised)}": grey(middle(denoised), reference),
            "removed": residual(middle(example.noisy), middle(denoised)),
        }
        if example.truth is not None:
            shown["truth"] = grey(middle(example.truth), reference)
        draw(shown).save(PICTURES / f"{example.name}.png", optimize=True)
        row = (example.kind, score(example.noisy) or "unknown", score(denoised) or "unknown")
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
