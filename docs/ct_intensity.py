"""Compare intensity mappings on a simulated CT slice, for the table in ``medical.md``.

Usage::

    python docs/ct_intensity.py
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise import denoise

SIDE = 320
MAPPINGS = ("window", "anscombe", (-1024.0, 1024.0), (-160.0, 240.0))
TISSUES = (-850, -100, 10, 60, 80, 130, 200, 700, 1200)


def body(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a slice in Hounsfield units, and where the body is in it."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = ((x - 160) / 140) ** 2 + ((y - 160) / 110) ** 2 < 1
    texture = gaussian_filter(generator.normal(size=(SIDE, SIDE)), 3)
    values = np.where(inside, 40 + 15 * texture / texture.std(), -1000.0)
    for _ in range(40):
        (row, column), radius = generator.uniform(60, 260, 2), generator.uniform(3, 18)
        organ = inside & ((y - row) ** 2 + (x - column) ** 2 < radius**2)
        values[organ] = generator.choice(TISSUES)
    return gaussian_filter(values, 0.8), inside


def main() -> None:
    """Print the root mean square errors within the body."""
    truth, inside = body(seed=0)
    generator = np.random.default_rng(1)
    for smoothing in (0.0, 0.7):
        for sigma in (15, 30, 60):
            noise = gaussian_filter(generator.normal(size=truth.shape), smoothing)
            noisy = truth + sigma * noise / noise.std()
            stored = np.rint(noisy).clip(-1024, 3071).astype(np.int16)
            errors = []
            for mapping in MAPPINGS:
                result = denoise(stored, intensity=mapping, device="cpu", check=False)
                errors.append(np.sqrt(np.mean((result - truth)[inside] ** 2)))
            print(f"smoothed by {smoothing}, {sigma:2} HU:", *(f"{e:6.1f}" for e in errors))


if __name__ == "__main__":
    main()
