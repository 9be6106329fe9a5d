"""Sample data, simulated when it is opened."""

from typing import Any

import numpy as np

from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

PIXEL_MICROMETRES = 0.16
SLICE_MICROMETRES = 0.5


def noisy_plane() -> list[tuple[Any, dict[str, Any], str]]:
    """Simulate a noisy 2D fluorescence image (512, 512), uint16."""
    return [_layer((512, 512), "Simulated noisy 2D", seed=3)]


def noisy_stack() -> list[tuple[Any, dict[str, Any], str]]:
    """Simulate a noisy 3D fluorescence stack (24, 256, 256), uint16."""
    return [_layer((24, 256, 256), "Simulated noisy 3D", seed=7)]


def _layer(shape: tuple[int, ...], name: str, *, seed: int) -> tuple[Any, dict[str, Any], str]:
    noisy = acquire(fluorescence(shape, seed=seed), seed=seed).noisy
    is_stack = len(shape) == 3
    low, high = np.percentile(noisy, (1, 99.8))
    arguments = {
        "name": name,
        "scale": ((SLICE_MICROMETRES,) if is_stack else ()) + (PIXEL_MICROMETRES,) * 2,
        "units": ("micrometer",) * len(shape),
        "contrast_limits": (float(low), float(high)),
        "axis_labels": ("z", "y", "x") if is_stack else ("y", "x"),
    }
    return noisy, arguments, "image"
