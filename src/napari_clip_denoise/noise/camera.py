"""Noise of a camera in raw units, given or estimated."""

from dataclasses import dataclass, field

import numpy as np

from napari_clip_denoise.noise.correlation import NoiseCorrelation
from napari_clip_denoise.noise.estimate import NoiseEstimate


@dataclass(frozen=True)
class CameraNoise:
    """Shot noise and read noise of raw values, optionally spatially correlated.

    Parameters
    ----------
    gain : float
        Raw units per photon; 0 means read noise only.
    offset : float
        Raw value without light.
    read_noise : float
        Standard deviation of the read noise in raw units.
    correlation : NoiseCorrelation
        Correlation of the noise of neighbouring pixels, white by default.
    """

    gain: float
    offset: float = 0.0
    read_noise: float = 0.0
    correlation: NoiseCorrelation = field(default_factory=NoiseCorrelation.white)

    @classmethod
    def from_estimate(
        cls, estimate: NoiseEstimate, correlation: NoiseCorrelation | None = None
    ) -> "CameraNoise":
        """Make the noise model with an estimated variance.

        The estimate determines the gain and either the offset or the read noise: a negative
        variance at the value 0 is attributed to an offset, a positive one to read noise.

        Parameters
        ----------
        estimate : NoiseEstimate
            Estimated variance as a function of the value.
        correlation : NoiseCorrelation, optional
            Estimated correlation, which also corrects the variance; white by default.
        """
        correlation = correlation or NoiseCorrelation.white()
        seen = correlation.seen_by_high_pass
        gain, intercept = estimate.gain / seen, estimate.intercept / seen
        if intercept >= 0 or gain == 0:
            return cls(gain, 0.0, max(intercept, 0.0) ** 0.5, correlation)
        return cls(gain, -intercept / gain, 0.0, correlation)

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the noise to clean raw values (..., Y, X); the result is float32."""
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
        """Return the variance of the noise at the given raw values."""
        return self.read_noise**2 + self.gain * np.clip(clean - self.offset, 0, None)

    def describe(self) -> str:
        """Return a description of the noise for a model card."""
        shot = f"gain {self.gain:.4g} a photon, offset {self.offset:.4g}, "
        text = (shot if self.gain else "") + f"read noise {self.read_noise:.4g} (raw units)"
        if self.correlation.is_white:
            return f"{text}, white"
        return (
            f"{text}, correlated: {self.correlation.horizontal:.2f} across, "
            f"{self.correlation.vertical:.2f} down"
        )
