"""Draw what neighbouring planes change in real, noisy stacks without a known truth.

    python docs/neighbours_pictures.py STACK [STACK ...] OUTPUT.png

Each row is the middle of a stack: noisy, denoised plane by plane, with one neighbour on each side,
what each of the two removed, and the planes that counted.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from napari_clip_denoise import denoise, load
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.regions import whole

SIDE, PLANES, SCALE = 126, 7, 3


def middle(path: Path) -> np.ndarray:
    """Cut the middle out of a z-stack, (Z, Y, X)."""
    stack = open_stack(path, axes="zyx")
    values = stack.read(whole(stack.shape))
    starts = [
        max(0, (size - most) // 2)
        for size, most in zip(values.shape, (PLANES, SIDE, SIDE), strict=True)
    ]
    z, y, x = starts
    return values[z : z + PLANES, y : y + SIDE, x : x + SIDE].astype(np.float32)


def grey(plane: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map values to 0 to 255 and enlarge them."""
    unit = np.clip((plane - low) / max(high - low, 1e-9), 0, 1)
    return np.kron((255 * unit).astype(np.uint8), np.ones((SCALE, SCALE), np.uint8))


def main() -> None:
    """Draw one row for each stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stacks", nargs="+", type=Path)
    parser.add_argument("output", type=Path)
    chosen = parser.parse_args()
    model = load("compact")
    rows = []
    for path in chosen.stacks:
        noisy = middle(path)
        alone, fused = (
            denoise(noisy, model, axes="zyx", context=k, device="cpu", check=False) for k in (0, 1)
        )
        z = len(noisy) // 2
        low, high = np.percentile(noisy[z], (0.5, 99.8))
        limit = 3 * float((noisy[z] - alone[z]).std())
        shown = [grey(each[z], low, high) for each in (noisy, alone, fused)]
        shown += [grey(noisy[z] - each[z], -limit, limit) for each in (alone, fused)]
        rows.append(np.hstack(shown))
        change = np.sqrt(np.square(alone - fused).mean() / np.square(noisy - alone).mean())
        print(f"{path.stem}: neighbours change the result by {change:.3f} of what is removed")
    width = min(row.shape[1] for row in rows)
    Image.fromarray(np.vstack([row[:, :width] for row in rows])).save(chosen.output)


if __name__ == "__main__":
    main()
