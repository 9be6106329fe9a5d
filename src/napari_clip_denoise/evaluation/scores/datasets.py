"""Test images for scoring: clean images with simulated noise, and pairs of real images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.metrics import Protocol
from napari_clip_denoise.evaluation.scores.noises import NoiseGenerator, add_noise, chosen_noises
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.discover import find_sources
from napari_clip_denoise.images.intensity import Intensity
from napari_clip_denoise.images.intensity_methods import CTWindow
from napari_clip_denoise.images.regions import whole

SuiteName = Literal["paper", "real", "ct"]
CTMetrics = Literal["window", "reference"]
"""Metrics of CT as they follow from its window, or as the paper's authors compute them."""
REFERENCE_CT_TOP = 3096.0
"""Hounsfield units to which the authors' metrics map the network's 1, instead of 3072."""
REAL = "real"
FEW = 4
"""Folders with fewer real pairs get a row for each pair, because their mean says little."""


@dataclass(frozen=True, eq=False)
class TestImage:
    """A noisy image and its truth.

    Attributes
    ----------
    name : str
        Name of the file.
    truth, noisy : numpy.ndarray
        Pixels, float32, (..., Y, X), or (..., Y, X, 3) for RGB.
    rgb : bool
        True if the last axis holds RGB samples.
    """

    __test__ = False

    name: str
    truth: np.ndarray
    noisy: np.ndarray
    rgb: bool


@dataclass(frozen=True)
class Condition:
    """Images with one kind of noise.

    Attributes
    ----------
    data, noise : str
        Names of the data and of the noise, the title of the row.
    files : tuple of Path
        The clean images.
    noisy_folder : Path or None
        Folder of the matching noisy images; None simulates the noise.
    protocol : Protocol
        Metrics, data range and clipping for scoring.
    intensity : str, (float, float) or None
        Intensity mapping of the models; None uses the one on each model's card.
    generator : {"pcg64", "reference"}
        Generator of simulated noise.
    """

    data: str
    noise: str
    files: tuple[Path, ...]
    noisy_folder: Path | None
    protocol: Protocol
    intensity: Intensity | None
    generator: NoiseGenerator = "pcg64"

    def images(self) -> Iterator[TestImage]:
        """Read the images one after the other."""
        for path in self.files:
            clean = read_image(path)
            if self.noisy_folder is None:
                truth = clean.unit
                noisy = add_noise(truth, self.noise, rgb=clean.rgb, generator=self.generator)
                yield TestImage(path.stem, truth, noisy, clean.rgb)
            else:
                partner = read_image(self.noisy_folder / path.name)
                if partner.pixels.shape != clean.pixels.shape:
                    raise InputError(
                        f"{path.name} has other sizes in the folders noisy and clean of "
                        f"{path.parents[1]}; pair images of the same size."
                    )
                yield TestImage(path.stem, clean.floats, partner.floats, clean.rgb)


@dataclass(frozen=True, eq=False)
class CleanImage:
    """An image as stored in a file.

    Attributes
    ----------
    path : Path
        Path of the file.
    pixels : numpy.ndarray
        Pixels, (..., Y, X), or (..., Y, X, 3) for RGB.
    rgb : bool
        True if the last axis holds RGB samples.
    """

    path: Path
    pixels: np.ndarray
    rgb: bool

    @cached_property
    def floats(self) -> np.ndarray:
        """Raw values, float32."""
        return self.pixels.astype(np.float32)

    @cached_property
    def unit(self) -> np.ndarray:
        """Values from 0 to 1, float32; integers are divided by the largest value of their type."""
        if np.issubdtype(self.pixels.dtype, np.integer):
            return self.floats / np.float32(np.iinfo(self.pixels.dtype).max)
        if self.pixels.min() < 0 or self.pixels.max() > 1:
            raise InputError(
                f"{self.path} has values outside [0, 1]; scale it or store it as integers."
            )
        return self.floats


def read_image(path: Path) -> CleanImage:
    """Read a whole image or stack into memory."""
    stack = open_stack(path)
    return CleanImage(path, stack.read(whole(stack.shape)), stack.is_rgb)


def conditions(
    suite: SuiteName,
    folders: Sequence[Path],
    *,
    noises: Sequence[str] = (),
    limit: int | None = None,
    noise_generator: NoiseGenerator = "pcg64",
    ct_metrics: CTMetrics = "window",
) -> list[Condition]:
    """List the conditions of a suite, the rows of its tables.

    Parameters
    ----------
    suite : {"paper", "real", "ct"}
        ``"paper"``: folders of clean images, with each noise of `NOISES`. ``"real"``: folders with
        subfolders ``noisy`` and ``clean`` that hold files of the same names, such as one frame and
        the mean of many. ``"ct"``: the same in Hounsfield units.
    folders : sequence of Path
        Folders of images; each is a data set with the name of the folder.
    noises : sequence of str
        Noises of the suite ``"paper"`` to use, by name or kind, such as ``"poisson-2.5"`` or
        ``"poisson"``; all if empty.
    limit : int, optional
        Number of images to use from each set, from the first; by default all.
    noise_generator, ct_metrics : str
        See `napari_clip_denoise.evaluation.scores.evaluate.evaluate`.

    Returns
    -------
    list of Condition
        One entry for each row.

    Raises
    ------
    InputError
        If a folder or a noise cannot be used.
    """
    if suite not in get_args(SuiteName):
        raise InputError(
            f"There is no suite '{suite}'; give one of: {', '.join(get_args(SuiteName))}."
        )
    if noises and suite != "paper":
        raise InputError(f"The suite '{suite}' has its own noise; leave the choice of noises out.")
    if not folders:
        raise InputError("No folder with images was given; give one or more.")
    for name, value, known, own in (
        ("noise generator", noise_generator, NoiseGenerator, "paper"),
        ("CT metrics", ct_metrics, CTMetrics, "ct"),
    ):
        if value not in get_args(known):
            raise InputError(
                f"The {name} '{value}' cannot be used; give {' or '.join(get_args(known))}."
            )
        if value == "reference" and suite != own:
            raise InputError(f"The {name} can only be chosen for the suite '{own}'.")
    make = {"paper": _paper, "real": _real, "ct": _ct}[suite]
    chosen = chosen_noises(noises, noise_generator)
    rows = [row for folder in folders for row in make(Path(folder), limit, chosen)]
    if ct_metrics == "reference":
        rows = [replace(row, protocol=_reference_protocol(row.protocol)) for row in rows]
    return [replace(row, generator=noise_generator) for row in rows]


def _reference_protocol(protocol: Protocol) -> Protocol:
    return replace(protocol, top=REFERENCE_CT_TOP, pads_with_zeros=True)


def _paper(folder: Path, limit: int | None, noises: Sequence[str]) -> list[Condition]:
    protocol = Protocol(("psnr", "ssim"), data_range=1.0, clip=(0.0, 1.0))
    files = clean_images(folder)[:limit]
    return [
        Condition(folder.name, noise, files, None, protocol, intensity=(0.0, 1.0))
        for noise in noises
    ]


def _real(folder: Path, limit: int | None, _: Sequence[str]) -> list[Condition]:
    files = _pairs(folder)[:limit]
    eight_bit = all(read_image(path).pixels.dtype == np.uint8 for path in files)
    metrics = ("psnr", "ssim", "si_psnr", "si_ssim", "registered_psnr")
    protocol = Protocol(metrics, data_range=255.0 if eight_bit else None)
    if len(files) < FEW:
        return [
            Condition(f"{folder.name} {path.stem}", REAL, (path,), folder / "noisy", protocol, None)
            for path in files
        ]
    return [Condition(folder.name, REAL, files, folder / "noisy", protocol, None)]


def _ct(folder: Path, limit: int | None, _: Sequence[str]) -> list[Condition]:
    low, high = CTWindow.window
    protocol = Protocol(("psnr", "ssim", "rmse"), data_range=high - low, window=CTWindow.window)
    files = _pairs(folder)[:limit]
    return [Condition(folder.name, REAL, files, folder / "noisy", protocol, "window")]


def clean_images(folder: Path) -> tuple[Path, ...]:
    """List the images in a folder.

    Raises
    ------
    InputError
        If the folder does not exist or contains no images.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    return tuple(find_sources([folder]))


def _pairs(folder: Path) -> tuple[Path, ...]:
    if not ((folder / "noisy").is_dir() and (folder / "clean").is_dir()):
        raise InputError(
            f"{folder} holds no folders noisy and clean; give one that does, with files of the "
            "same names in both."
        )
    files = clean_images(folder / "clean")
    alone = [path.name for path in files if not (folder / "noisy" / path.name).exists()]
    if alone:
        raise InputError(f"{folder / 'noisy'} holds no {alone[0]}; the names in both must agree.")
    return files
