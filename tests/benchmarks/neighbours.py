"""What neighbouring planes gain over single ones, on stacks to which noise is added.

    python -m benchmarks.neighbours --model MODEL --data DATA/train [--align]

DATA/train holds the folders ``stacks``, ``medical``, ``microscopy`` and ``natural``; simulated
stacks need no files, nor does ``--kept-back``, which takes other ones. Each row is a stack; the
figures are the PSNR of the plane model in dB and what each number of neighbours adds to it, on the
planes in the middle.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from nibabel.testing import data_path
from scipy.ndimage import shift as shifted

from napari_clip_denoise import denoise, load
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.noise.models import Gaussian, PoissonGaussian
from napari_clip_denoise.noise.simulation import fluorescence

SIDE, PLANES, INNER = 160, 7, slice(2, 5)
FILES = {
    "C. elegans EM, z": ("z", "stacks/c_elegans_em_z.tif"),
    "histone movie 1": ("t", "stacks/drosophila_histone_time_1.tif"),
    "histone movie 2": ("t", "stacks/drosophila_histone_time_2.tif"),
    "Golgi movie": ("t", "stacks/golgi_time.tif"),
    "mitosis movie": ("t", "stacks/mitocheck_time.tif"),
    "migration movie": ("t", "microscopy/haesleinhuepf/cancer_cell_migration_crop.tif"),
    "membranes, movie": ("t", "microscopy/haesleinhuepf/membrane_2d_timelapse.tif"),
    "grid, z": ("z", "microscopy/haesleinhuepf/DeconvolutionSampleVerticalGrid1AU-crop.tif"),
    "nuclei, z": ("z", "microscopy/stardist/img3d.tif"),
    "CT, 1 mm": ("z", "medical/CT_AVM.nii.gz"),
    "CT, 2.4 mm": ("z", "medical/CT_pitch.nii.gz"),
    "MR, 1 mm": ("z", "medical/MR_Gd.nii.gz"),
    "MR, mean of 152": ("z", "medical/spm152.nii.gz"),
    "MR of a banana": ("z", "medical/mri_banana"),
}
UNRELATED = ("unrelated photographs", "unrelated cells", "unrelated cells, kept back")
NOISE = {
    "sigma 25": Gaussian(25 / 255),
    "sigma 50": Gaussian(50 / 255),
    "10 photons": PoissonGaussian(10),
}


def middle(stack: np.ndarray) -> np.ndarray:
    """Cut the middle out of a stack (Z, Y, X) and map it to [0, 1]."""
    sizes = [
        min(length, most) for length, most in zip(stack.shape, (PLANES, SIDE, SIDE), strict=True)
    ]
    starts = [(length - size) // 2 for length, size in zip(stack.shape, sizes, strict=True)]
    part = stack[tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))]
    low, high = np.percentile(part, (0.1, 99.9))
    return np.clip((part.astype(np.float32) - low) / (high - low), 0, 1)


def moving_spots(seed: int) -> np.ndarray:
    """Draw spots that move by 1.5 pixels a plane over cells that do not."""
    rng = np.random.default_rng(seed)
    cells = 0.6 * fluorescence((SIDE, SIDE), ("nuclei", "filaments"), seed=seed + 4)
    start, speed = rng.uniform(5, SIDE - 5, (60, 2)), rng.normal(0, 1.5, (60, 2))
    peaks = rng.lognormal(0, 0.4, 60)
    y, x = np.mgrid[:SIDE, :SIDE]
    planes = []
    for t in range(PLANES):
        spots = np.zeros((SIDE, SIDE), np.float32)
        for (at_y, at_x), peak in zip(start + t * speed, peaks, strict=True):
            spots += peak * np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / 4.5)
        planes.append(cells + 0.5 * spots)
    return np.stack(planes)


def drifting(seed: int) -> np.ndarray:
    """Draw cells that drift by 1.1 pixels a plane."""
    wide = fluorescence((SIDE + 40, SIDE + 40), seed=seed)
    planes = (shifted(wide, (0.9 * t, -0.6 * t), order=3) for t in range(PLANES))
    return np.stack([plane[20:-20, 20:-20] for plane in planes])


def bleaching(seed: int) -> np.ndarray:
    """Draw cells that stand still and lose 5 % of their light a plane."""
    cells = fluorescence((SIDE, SIDE), ("membranes", "striations"), seed=seed)
    return np.stack([cells * 0.95**t for t in range(PLANES)])


def of_cells(structures: tuple[str, ...], z_width: float, seed: int) -> np.ndarray:
    """Draw a z-stack of cells behind a point-spread function of a given width along z."""
    return fluorescence((24, SIDE, SIDE), structures, psf=(z_width, 1.2, 1.2), seed=seed)


def unrelated_cells(seed: int) -> np.ndarray:
    """Draw planes that have nothing in common."""
    seeds = range(seed, seed + PLANES)
    return np.stack([fluorescence((SIDE, SIDE), ("nuclei", "filaments"), seed=s) for s in seeds])


SIMULATED: dict[str, tuple[str, Callable[[], np.ndarray]]] = {
    "simulated cells, z": ("z", lambda: of_cells(("nuclei", "filaments", "points"), 1.8, 3)),
    "simulated membranes, z": ("z", lambda: of_cells(("membranes", "points"), 1.0, 4)),
    "simulated moving spots": ("t", lambda: moving_spots(1)),
    "simulated drift": ("t", lambda: drifting(6)),
    "simulated bleaching": ("t", lambda: bleaching(7)),
    "unrelated cells": ("t", lambda: unrelated_cells(20)),
}
KEPT_BACK: dict[str, tuple[str, Callable[[], np.ndarray]]] = {
    "dense cells, z": ("z", lambda: of_cells(("nuclei", "filaments", "points"), 1.8, 1003)),
    "membranes, z": ("z", lambda: of_cells(("membranes", "striations"), 1.2, 1004)),
    "still cells, bleaching": ("t", lambda: bleaching(1007)),
    "moving spots": ("t", lambda: moving_spots(1001)),
    "drift": ("t", lambda: drifting(1006)),
    "MR, 2.2 mm": ("z", lambda: of_nibabel()),
    UNRELATED[2]: ("t", lambda: unrelated_cells(1020)),
}
"""Stacks that were not looked at while the weights and the model were made."""


def of_nibabel() -> np.ndarray:
    """Read the MR volume that comes with nibabel, (Z, Y, X)."""
    volume = open_stack(Path(data_path) / "example4d.nii.gz").array[:]
    return np.asarray(volume, np.float32).reshape(-1, 24, *volume.shape[-2:])[0]


def stacks(
    folder: Path | None, *, kept_back: bool = False
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield name, axis and clean planes of each stack."""
    for name, (axis, path) in FILES.items() if folder else ():
        stack = open_stack(folder / path, axes=None if "medical" in path else f"{axis}yx")
        yield name, axis, middle(stack.read(whole(stack.shape)).reshape(-1, *stack.plane_shape))
    if folder:
        photographs = sorted((folder / "natural").glob("*.jpg"))[:PLANES]
        red = [open_stack(p).array[:][40 : 40 + SIDE, 40 : 40 + SIDE, 0] for p in photographs]
        yield UNRELATED[0], "t", np.stack(red).astype(np.float32) / 255
    for name, (axis, draw) in (KEPT_BACK if kept_back else SIMULATED).items():
        yield name, axis, middle(draw())


def psnr(found: np.ndarray, clean: np.ndarray) -> float:
    """Return the PSNR of the planes in the middle, in dB."""
    inner = INNER if len(clean) == PLANES else slice(1, -1)
    return float(-10 * np.log10(np.square(found[inner] - clean[inner]).mean(dtype=np.float64)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--context", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--align", action="store_true", help="also what alignment adds to each")
    parser.add_argument("--kept-back", action="store_true", help="stacks that nothing was made on")
    parser.add_argument("--only", nargs="+", help="names of stacks")
    chosen = parser.parse_args()
    model = load(chosen.model)
    ways = [(k, align) for k in chosen.context for align in ([False, True][: chosen.align + 1])]
    columns = [f"k={k}, aligned" if align else f"k={k}" for k, align in ways]
    seconds = dict.fromkeys([(0, False), *ways], 0.0)
    gains: dict[str, list[list[float]]] = {}
    print(
        "| stack |",
        *(f"{n}: plane | {' | '.join(columns)} |" for n in NOISE),
    )
    print("| --- |", *(["--- |"] * len(NOISE) * len(seconds)))
    for name, axis, clean in stacks(chosen.data, kept_back=chosen.kept_back):
        if chosen.only and name not in chosen.only:
            continue
        cells = []
        for noise in NOISE.values():
            noisy = noise(clean, np.random.default_rng(0))
            scores = []
            for k, align in seconds:
                started = time.process_time()
                found = denoise(
                    noisy,
                    model,
                    axes=f"{axis}yx",
                    context=k,
                    context_align=align,
                    device="cpu",
                    threads=1,
                    check=False,
                )
                seconds[k, align] += time.process_time() - started
                scores.append(psnr(found, clean))
            gained = [score - scores[0] for score in scores[1:]]
            gains.setdefault(name, []).append(gained)
            cells += [f"{scores[0]:.2f}", *(f"{gain:+.2f}" for gain in gained)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for what, is_in in (
        ("mean", lambda n: n not in UNRELATED),
        ("unrelated", UNRELATED.__contains__),
    ):
        rows = np.array([g for n, g in gains.items() if is_in(n)])
        if rows.size:
            print(f"{what} {rows.mean((0, 1)).round(3)}, worst {rows.min((0, 1)).round(2)}")
            print(f"  by stack, worst {rows.mean(1).min(0).round(3)}")
    for name, spent in zip(["plane", *columns], seconds.values(), strict=True):
        print(f"{name}: {spent:.1f} seconds of one core")


if __name__ == "__main__":
    main()
