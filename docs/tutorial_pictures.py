"""Draw the pictures of the tutorials from what their commands make.

    python docs/tutorial_pictures.py FOLDER

``FOLDER/NAME`` is where `tutorial_runner.py` did the page ``NAME.md``; pages that were not done
there are left out. Windows of napari are photographed by ``docs/tutorial_windows.py``.
"""

import sys
from pathlib import Path

import numpy as np
import zarr
from gallery import draw, grey, residual
from PIL import Image, ImageDraw

from napari_clip_denoise.formats import open_stack

PICTURES = Path(__file__).parent / "images" / "tutorials"
WINDOW = (-160, 240)
"""Display window of soft tissue, in HU."""
COLOURS = 96
SHOWN_FILES = range(0, 88, 11)


def read(path: Path) -> np.ndarray:
    """Read all of an image."""
    return np.asarray(open_stack(path).array[:])


def z_stack(folder: Path) -> Image.Image:
    """Draw plane 4."""
    noisy, denoised = (read(folder / f"{n}.ome.tif")[3] for n in ("nuclear_envelopes", "denoised"))
    return draw(
        {
            "noisy": grey(noisy, noisy),
            "denoised": grey(denoised, noisy),
            "removed": residual(noisy, denoised),
        }
    )


def few_photons(folder: Path) -> Image.Image:
    """Draw frame 13 of the movie."""
    return beside_truth(folder, 12, {"alone": "by itself", "neighbours": "with neighbours"})


def own_model(folder: Path) -> Image.Image:
    """Draw plane 9 of the stack."""
    return beside_truth(folder, 8, {"before": "before", "after": "after"})


def beside_truth(folder: Path, number: int, names: dict[str, str]) -> Image.Image:
    """Draw a plane of the noisy stack, of results, and of the truth."""
    noisy, truth, *results = (
        read(folder / f"{name}.ome.tif")[number] for name in ("noisy", "truth", *names)
    )
    panels = dict(zip(names.values(), results, strict=True)) | {"truth": truth}
    return draw({"noisy": grey(noisy, noisy)} | {k: grey(v, truth) for k, v in panels.items()})


def plate(folder: Path) -> Image.Image:
    """Draw all wells before and after, on one grey scale."""
    rows = []
    for name in ("plate", "denoised"):
        group = zarr.open_group(folder / f"{name}.ome.zarr", mode="r")
        rows.append({f"{r}{c}": np.asarray(group[f"{r}/{c}/0/0"]) for r in "AB" for c in "123"})
    reference = np.concatenate(list(rows[1].values()))
    return below([draw({k: grey(v, reference) for k, v in row.items()}) for row in rows])


def ct(folder: Path) -> Image.Image:
    """Draw slice 5 in a display window of soft tissue."""
    noisy, denoised = read(folder / "ct")[4], read(folder / "denoised")[4]
    truth = np.load(folder / "truth.npy")[4]

    def shown(plane: np.ndarray) -> np.ndarray:
        low, high = WINDOW
        values = np.uint8(255 * np.clip((plane - low) / (high - low), 0, 1))
        return np.repeat(values[..., None], 3, axis=-1)

    return draw(
        {
            "noisy": shown(noisy),
            "denoised": shown(denoised),
            "removed": residual(noisy, denoised),
            "truth": shown(truth),
        }
    )


def cluster(folder: Path) -> Image.Image:
    """Draw some of the files before and after."""
    rows = []
    for kind in ("raw", "denoised"):
        names = [f"cells_{number:03}" for number in SHOWN_FILES]
        planes = {name: read(folder / kind / f"{name}.tif") for name in names}
        rows.append(draw({name: grey(plane, plane) for name, plane in planes.items()}))
    return below(rows)


def judge(folder: Path) -> Image.Image:
    """Draw both results and their difference, with the place where they differ most."""
    noisy, first, second = (
        read(folder / f"{name}.tif") for name in ("first", "first_denoised", "second_denoised")
    )
    difference = np.abs(first.astype(float) - second)
    y, x = np.unravel_index(difference.argmax(), difference.shape)
    panels = {
        "first take": grey(noisy, noisy),
        "first result": grey(first, first),
        "second result": grey(second, first),
        "difference": residual(first, second),
    }
    for caption in list(panels)[1:]:
        panel = Image.fromarray(panels[caption])
        ImageDraw.Draw(panel).rectangle((x - 10, y - 10, x + 10, y + 10), outline=(255, 140, 0))
        panels[caption] = np.asarray(panel)
    return draw(panels)


def below(rows: list[Image.Image]) -> Image.Image:
    """Put pictures of the same width below each other."""
    return Image.fromarray(np.vstack([np.asarray(row) for row in rows]))


PAGES = {
    "z-stack": z_stack,
    "few-photons": few_photons,
    "plate": plate,
    "ct": ct,
    "own-model": own_model,
    "cluster": cluster,
    "judge": judge,
}


def main(folder: Path) -> None:
    """Draw the pictures of the pages that were done."""
    PICTURES.mkdir(exist_ok=True)
    for name, draw_page in PAGES.items():
        if (folder / name).exists():
            picture = draw_page(folder / name).quantize(COLOURS, dither=Image.Dither.NONE)
            picture.save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
