"""Sample data: simulated when it is opened, or recorded by a microscope."""

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

PIXEL_MICROMETRES = 0.16
SLICE_MICROMETRES = 0.5
CREDIT = {
    "copyright": "European Molecular Biology Laboratory",
    "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
}
"""Credit that the licence of the recorded samples asks for; see the file NOTICE."""
ORIGINALS = "https://github.com/NEUBIAS/training-resources, image_data"


def noisy_plane() -> list[tuple[Any, dict[str, Any], str]]:
    """Simulate a noisy 2D fluorescence image (512, 512), uint16."""
    return [_simulated((512, 512), "Simulated noisy 2D", seed=3)]


def noisy_stack() -> list[tuple[Any, dict[str, Any], str]]:
    """Simulate a noisy 3D fluorescence stack (24, 256, 256), uint16."""
    return [_simulated((24, 256, 256), "Simulated noisy 3D", seed=7)]


def nuclear_envelopes() -> list[tuple[Any, dict[str, Any], str]]:
    """Read a confocal stack of nuclear envelopes in Drosophila (14, 224, 305), uint8."""
    original = "xyz_nuclear_envelope_drosophila.tif"
    return [_recorded("nuclear_envelopes", "Nuclear envelopes", original)]


def chromosomes() -> list[tuple[Any, dict[str, Any], str]]:
    """Read a fluorescence stack of the chromosomes of one nucleus (40, 152, 126), uint16."""
    return [_recorded("chromosomes", "Chromosomes", "xyz_8bit__chromosomes.tif")]


def _simulated(shape: tuple[int, ...], name: str, *, seed: int) -> tuple[Any, dict[str, Any], str]:
    noisy = acquire(fluorescence(shape, seed=seed), seed=seed).noisy
    n_leading = len(shape) - 2
    place = {
        "scale": (SLICE_MICROMETRES,) * n_leading + (PIXEL_MICROMETRES,) * 2,
        "units": ("micrometer",) * len(shape),
    }
    return _layer(noisy, name, place)


def _recorded(file: str, name: str, original: str) -> tuple[Any, dict[str, Any], str]:
    folder = Path(str(resources.files("napari_clip_denoise.gui") / "sample_images"))
    stack = open_stack(folder / f"{file}.ome.tif")
    place = {"scale": stack.metadata.scale, "units": stack.metadata.units}
    credit = CREDIT | {"original": f"{ORIGINALS}/{original}"}
    return _layer(np.asarray(stack.array), name, place | {"metadata": credit})


def _layer(
    pixels: np.ndarray, name: str, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any], str]:
    low, high = np.percentile(pixels, (1, 99.8))
    shown = {
        "name": name,
        "contrast_limits": (float(low), float(high)),
        "axis_labels": ("z", "y", "x")[-pixels.ndim :],
    }
    return pixels, shown | arguments, "image"
