"""The picture at the top of the README: ``python docs/first_picture.py NOISY CLEAN PICTURE``.

Made from FMD's `confocal_mice` (Zhang et al., CVPR 2019): one frame, and the mean of fifty.
"""

import sys
from pathlib import Path

import numpy as np

from napari_clip_denoise import denoise
from napari_clip_denoise.evaluation.demo import draw_panels
from napari_clip_denoise.evaluation.metrics import psnr
from napari_clip_denoise.formats import open_stack

ROWS, COLUMNS = slice(96, 416), slice(96, 496)


def main(noisy_file: Path, clean_file: Path, picture: Path) -> None:
    """Draw one noisy frame, the same denoised, and the mean of many frames."""
    noisy, clean = (np.asarray(open_stack(file).array) for file in (noisy_file, clean_file))
    denoised = denoise(noisy)
    panels = {
        f"{name}{f', {psnr(clean, image, 255.0):.1f} dB' if image is not clean else ''}": image[
            ROWS, COLUMNS
        ]
        for name, image in (
            ("noisy (one frame)", noisy),
            ("denoised", denoised),
            ("truth (mean of 50 frames)", clean),
        )
    }
    draw_panels(panels, clean[ROWS, COLUMNS]).save(picture, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
