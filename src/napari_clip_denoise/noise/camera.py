"""The noise of one camera on its raw scale, given by hand or estimated."""

from dataclasses import dataclass, field

import numpy as np

from napari_clip_denoise.noise.correlation import NoiseCorrelation
from napari_clip_denoise.noise.estimate import NoiseEstimate


@dataclass(frozen=True)
class CameraNoise:
    """Shot noise and read noise of raw values, perhaps correlated between neighbours.

    Parameters
    ----------
    gain : float
        Raw units a photon; 0 leaves read noise alone.
    offset : float
        Raw value without light.
    read_noise : float
        Standard deviation of the read noise in raw units.
    correlation : NoiseCorrelation
        Of the noise of neighbouring pixels.
    """

    gain: float
    offset: float = 0.0
    read_noise: float = 0.0
    correlation: NoiseCorrelation = field(default_factory=NoiseCorrelation.white)

    @classmethod
    def from_estimate(
        cls, estimate: NoiseEstimate, correlation: NoiseCorrelation | None = None
    ) -> "CameraNoise":
        """Make the noise whose variance grows with the value as was measured.

        The variance fixes gain and one of offset and read noise: a variance that would be
        negative at the value 0 is put down to an offset, a positive one to read noise.
        """
        correlation = correlation or NoiseCorrelation.white()
        seen = correlation.seen_by_high_pass
        gain, intercept = estimate.gain / seen, estimate.intercept / seen
        if intercept >= 0 or gain == 0:
            return cls(gain, 0.0, max(intercept, 0.0) ** 0.5, correlation)
        return cls(gain, -intercept / gain, 0.0, correlation)

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Put the noise on clean raw values (..., Y, X); the result is float32."""
        clean = np.asarray(clean, np.float32)
        noise = np.float32(self.read_noise) * rng.standard_normal(clean.shape, np.float32)
        if self.gain:
            light = np.clip(clean - self.offset, 0, None)
            noise += np.float32(self.gain) * rng.poisson(light / self.gain) - light
        if self.correlation.is_white:
            return (clean + noise).astype(np.float32)
        deviation = np.sqrt(self.variance(clean)).astype(np.float32)
        alike = np.divide(noise, deviation, out=np.zeros_like(noise), where=deviation > 0)
        return (clean + deviation * self.correlation.colour(alike)).astype(np.float32)

    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Variance of the noise at some raw values."""
        return self.read_noise**2 + self.gain * np.clip(clean - self.offset, 0, None)

    def describe(self) -> str:
        """Say what noise this is, in words for a model card."""
        shot = f"gain {self.gain:.4g} a photon, offset {self.offset:.4g}, "
        text = (shot if self.gain else "") + f"read noise {self.read_noise:.4g} (raw units)"
        if self.correlation.is_white:
            return f"{text}, white"
        return (
            f"{text}, correlated: {self.correlation.horizontal:.2f} across, "
            f"{self.correlation.vertical:.2f} down"
        )
