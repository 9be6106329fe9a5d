"""The artefacts of JPEG compression."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Jpeg:
    """Rounding to 8 bits and compression as a JPEG file.

    Parameters
    ----------
    quality : int
        Quality of Pillow's encoder, 1 to 95; 75 is its default.
    """

    quality: int

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Compress an image (1, Y, X) or (3, Y, X), clipped to [0, 1]."""
        pixels = (np.moveaxis(clean, 0, -1).clip(0, 1) * 255).round().astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze(-1) if len(clean) == 1 else pixels).save(
            file, "JPEG", quality=self.quality
        )
        decoded = np.asarray(Image.open(file), np.float32) / 255
        return np.ascontiguousarray(np.moveaxis(np.atleast_3d(decoded), -1, 0))
