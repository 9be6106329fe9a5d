"""What the bundled models make of a fixed image; run it to store that anew after a training."""

import json
from pathlib import Path

import numpy as np

from napari_clip_denoise import denoise
from napari_clip_denoise.models.checkpoint import Model

STORED = Path(__file__).with_suffix(".json")
SIDE, STEP = 96, 12


def fixed_image(channels: int) -> np.ndarray:
    """Rings under noise that is a formula, so that it is the same with any version of anything."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    rings = 0.5 + 0.3 * np.sin(np.hypot(y - 30, x - 50) / 4)
    planes = []
    for channel in range(channels):
        noise = np.modf(np.abs(np.sin(12.9898 * x + 78.233 * y + channel)) * 43758.5453)[0] - 0.5
        planes.append(rings / (1 + channel) + 0.2 * noise)
    return np.stack(planes, axis=-1).astype(np.float32).squeeze()


def output(model: Model) -> np.ndarray:
    """Denoise the fixed image on the CPU and keep a few pixels of it."""
    channels = model.card.network.channels
    image = fixed_image(channels)
    result = denoise(image, model, intensity=(0.0, 1.0), device="cpu", rgb=channels == 3)
    return result[STEP // 2 :: STEP, STEP // 2 :: STEP]


if __name__ == "__main__":
    from napari_clip_denoise.models.registry import entries, load

    bundled = [entry.name for entry in entries() if entry.origin == "bundled"]
    stored = {name: output(load(name)).round(5).tolist() for name in bundled}
    STORED.write_text(json.dumps(stored) + "\n")
