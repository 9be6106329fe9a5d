"""Make the pictures of a CT slice and of intensity mappings, from simulated images.

Usage::

    python docs/mapping_pictures.py
"""

from pathlib import Path

import numpy as np
from ct_intensity import body
from scipy.ndimage import gaussian_filter

from napari_clip_denoise import denoise
from napari_clip_denoise.evaluation.demo import draw_panels
from napari_clip_denoise.gui.samples import noisy_plane

IMAGES = Path(__file__).parent / "images"
NOISE_HU = 60
PLANE = np.s_[96:416, 96:416]


def main() -> None:
    """Draw noisy images left of denoised ones."""
    truth, _ = body(seed=0)
    noise = gaussian_filter(np.random.default_rng(1).normal(size=truth.shape), 0.7)
    noisy = np.rint(truth + NOISE_HU * noise / noise.std()).clip(-1024, 3071).astype(np.int16)
    window = np.array([-160.0, 240.0])
    panels = {
        f"noisy ({NOISE_HU} HU)": noisy,
        "denoised (preset CT)": denoise(noisy, intensity="window"),
        "truth": truth,
    }
    draw_panels(panels, np.clip(truth, *window)).save(IMAGES / "ct-slice.png", optimize=True)

    ((plane, _, _),) = noisy_plane()
    panels = {"noisy": plane} | {
        f"denoised: {name}": denoise(plane, intensity=name)
        for name in ("anscombe", "percentile", "minmax", "dtype")
    }
    crops = {name: image[PLANE][:220, :220] for name, image in panels.items()}
    picture = draw_panels(crops, crops["denoised: anscombe"])
    picture.save(IMAGES / "intensity-mappings.png", optimize=True)


if __name__ == "__main__":
    main()
