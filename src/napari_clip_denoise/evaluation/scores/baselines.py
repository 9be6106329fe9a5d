"""Classical methods that need no training, for comparison; this module does not load torch."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.images.intensity import Intensity
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.estimate import estimate_noise


@dataclass(frozen=True)
class Baseline:
    """A classical method that denoises one plane at a time.

    Parameters
    ----------
    name : str
        Title of the method's column.
    label : str
        Full name.
    filter : callable
        Denoises a plane (Y, X), float64, with any range of values.
    package : str
        Optional package that the method needs, if any.
    takes_rgb : bool
        Whether `filter` also accepts RGB (Y, X, 3); otherwise it is called for each channel.
    """

    name: str
    label: str
    filter: Callable[[np.ndarray], np.ndarray]
    package: str = ""
    takes_rgb: bool = False

    @property
    def is_available(self) -> bool:
        """True if the required package is installed."""
        return not self.package or find_spec(self.package) is not None

    def __call__(
        self, noisy: np.ndarray, *, rgb: bool, intensity: Intensity | None = None
    ) -> np.ndarray:
        """Return the denoised image, see `Method`.

        Parameters
        ----------
        noisy, rgb :
            See `Method`.
        intensity : str or (float, float), optional
            Not used.

        Returns
        -------
        numpy.ndarray
            Denoised image, float32, in the shape of `noisy`.
        """
        split = rgb and not self.takes_rgb
        planes = np.moveaxis(noisy, -1, 0) if split else noisy
        plane_shape = planes.shape[-3:] if rgb and self.takes_rgb else planes.shape[-2:]
        flat = planes.reshape(-1, *plane_shape).astype(np.float64)
        filtered = np.stack([self.filter(plane) for plane in flat])
        filtered = filtered.reshape(planes.shape).astype(np.float32)
        return np.moveaxis(filtered, 0, -1) if split else filtered


def gaussian(plane: np.ndarray) -> np.ndarray:
    """Apply a Gaussian filter with a standard deviation of one pixel."""
    return gaussian_filter(plane, 1)


def non_local_means(plane: np.ndarray) -> np.ndarray:
    """Apply non-local means (Buades et al., 2005) with the strength recommended by scikit-image."""
    from skimage.restoration import denoise_nl_means

    return _at_noise(
        plane,
        lambda unit, sigma: denoise_nl_means(
            unit, patch_size=5, patch_distance=6, h=0.6 * sigma, sigma=sigma, fast_mode=True
        ),
    )


def wavelet(plane: np.ndarray) -> np.ndarray:
    """Apply wavelet thresholding (BayesShrink, Chang et al., 2000)."""
    from skimage.restoration import denoise_wavelet

    return _at_noise(plane, lambda unit, sigma: denoise_wavelet(unit, sigma=sigma))


def total_variation(plane: np.ndarray) -> np.ndarray:
    """Minimise the total variation (Chambolle, 2004), weighted by the noise."""
    from skimage.restoration import denoise_tv_chambolle

    return _at_noise(plane, lambda unit, sigma: denoise_tv_chambolle(unit, weight=sigma))


def bm3d(plane: np.ndarray) -> np.ndarray:
    """Apply BM3D (Mäkinen et al., 2020); RGB is processed in an opponent colour space."""
    import bm3d

    joint = bm3d.bm3d_rgb if plane.ndim == 3 else bm3d.bm3d
    return _at_noise(plane, lambda unit, sigma: joint(unit, sigma_psd=sigma))


def stabilised_bm3d(plane: np.ndarray) -> np.ndarray:
    """Apply BM3D between the generalized Anscombe transform and its exact unbiased inverse.

    If the noise does not grow with the value, the result is that of `bm3d`.
    """
    import bm3d as package

    found = estimate_noise([plane])
    if found is None or found.gain <= 0:
        return bm3d(plane)
    transform = AnscombeTransform(found.gain, found.intercept)
    stabilised = transform.forward(plane)
    low, span = stabilised.min(), np.ptp(stabilised)
    if not span:
        return plane
    unit = package.bm3d((stabilised - low) / span, sigma_psd=1 / span)
    return transform.inverse(low + span * unit)


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline("gaussian", "Gaussian filter", gaussian),
        Baseline("nlm", "Non-local means", non_local_means),
        Baseline("wavelet", "Wavelet denoising", wavelet, package="pywt"),
        Baseline("tv", "Total variation", total_variation),
        Baseline("bm3d", "BM3D", bm3d, package="bm3d", takes_rgb=True),
        Baseline("vst-bm3d", "BM3D with Anscombe transform", stabilised_bm3d, package="bm3d"),
    )
}


def _at_noise(plane: np.ndarray, filter_: Callable[[np.ndarray, float], np.ndarray]) -> np.ndarray:
    """Filter a plane on a scale from 0 to 1, with its noise's standard deviation on that scale."""
    found = estimate_noise(np.moveaxis(np.atleast_3d(plane), -1, 0))
    low, span = plane.min(), np.ptp(plane)
    sigma = float(np.sqrt(found.variance(plane).mean())) if found else 0.0
    if not (span and sigma):
        return plane
    return low + span * filter_((plane - low) / span, sigma / float(span))
