"""What is compared: models, and classical methods that need no training.

Every method is blind: it gets the noisy image alone and estimates from it what it needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import Intensity, parse_intensity
from napari_clip_denoise.inference.run import denoise
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.registry import load
from napari_clip_denoise.noise.estimate import estimate_noise
from napari_clip_denoise.noise.stabilise import AnscombeTransform

NOISY = "noisy"


class Method(Protocol):
    """Anything that turns a noisy image into a cleaner one."""

    @property
    def name(self) -> str:
        """What its column is called."""
        ...

    def __call__(
        self, noisy: np.ndarray, *, rgb: bool, intensity: Intensity | None = None
    ) -> np.ndarray:
        """Give the denoised image, float32, of the shape of `noisy`."""
        ...


@dataclass(frozen=True, eq=False)
class ModelMethod:
    """A model; a grey one takes RGB a channel at a time, an RGB one grey as three equal channels.

    Parameters
    ----------
    name : str
        What its column is called.
    model : Model
        The model.
    device : str
        See `DenoiseSettings`.
    """

    name: str
    model: Model
    device: str = "auto"

    def __call__(
        self, noisy: np.ndarray, *, rgb: bool, intensity: Intensity | None = None
    ) -> np.ndarray:
        """Denoise; without `intensity` values are mapped as the model's card recommends."""
        recommended = parse_intensity(self.model.card.intensity)
        return denoise(
            noisy,
            self.model,
            intensity=recommended if intensity is None else intensity,
            output_dtype="float32",
            device=self.device,
            rgb=rgb,
        )


@dataclass(frozen=True)
class Baseline:
    """A classical method, a plane at a time.

    Parameters
    ----------
    name : str
        What its column is called.
    filter : callable
        Denoises a plane (Y, X), float64, of any scale.
    package : str
        The optional package that it needs, if any.
    takes_rgb : bool
        Whether `filter` also takes RGB (Y, X, 3); the others get a channel at a time.
    """

    name: str
    filter: Callable[[np.ndarray], np.ndarray]
    package: str = ""
    takes_rgb: bool = False

    def __call__(
        self, noisy: np.ndarray, *, rgb: bool, intensity: Intensity | None = None
    ) -> np.ndarray:
        """Denoise; `intensity` is not used."""
        split = rgb and not self.takes_rgb
        planes = np.moveaxis(noisy, -1, 0) if split else noisy
        plane_shape = planes.shape[-3:] if rgb and self.takes_rgb else planes.shape[-2:]
        flat = planes.reshape(-1, *plane_shape).astype(np.float64)
        filtered = np.stack([self.filter(plane) for plane in flat])
        filtered = filtered.reshape(planes.shape).astype(np.float32)
        return np.moveaxis(filtered, 0, -1) if split else filtered


def gaussian(plane: np.ndarray) -> np.ndarray:
    """Gaussian filter of one pixel."""
    return gaussian_filter(plane, 1)


def non_local_means(plane: np.ndarray) -> np.ndarray:
    """Non-local means (Buades et al., 2005), as strong as scikit-image recommends."""
    return _at_noise(
        plane,
        lambda unit, sigma: denoise_nl_means(
            unit, patch_size=5, patch_distance=6, h=0.6 * sigma, sigma=sigma, fast_mode=True
        ),
    )


def wavelet(plane: np.ndarray) -> np.ndarray:
    """Wavelet thresholding (BayesShrink, Chang et al., 2000)."""
    return _at_noise(plane, lambda unit, sigma: denoise_wavelet(unit, sigma=sigma))


def total_variation(plane: np.ndarray) -> np.ndarray:
    """Total variation (Chambolle, 2004), weighed by the noise."""
    return _at_noise(plane, lambda unit, sigma: denoise_tv_chambolle(unit, weight=sigma))


def bm3d(plane: np.ndarray) -> np.ndarray:
    """BM3D (Mäkinen et al., 2020), of RGB in an opponent colour space."""
    import bm3d

    joint = bm3d.bm3d_rgb if plane.ndim == 3 else bm3d.bm3d
    return _at_noise(plane, lambda unit, sigma: joint(unit, sigma_psd=sigma))


def stabilised_bm3d(plane: np.ndarray) -> np.ndarray:
    """BM3D between the generalized Anscombe transform and its exact unbiased inverse.

    Where the noise does not grow with the value, it is `bm3d`.
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
        Baseline("gaussian", gaussian),
        Baseline("nlm", non_local_means),
        Baseline("wavelet", wavelet, package="pywt"),
        Baseline("tv", total_variation),
        Baseline("bm3d", bm3d, package="bm3d", takes_rgb=True),
        Baseline("vst-bm3d", stabilised_bm3d, package="bm3d"),
    )
}


def make_methods(
    models: Sequence[str | Path | Model], baselines: Sequence[str], device: str = "auto"
) -> list[Method]:
    """Put methods together.

    Parameters
    ----------
    models : sequence of str, Path or Model
        Names in the registry, files, or loaded models.
    baselines : sequence of str
        Keys of `BASELINES`.
    device : str
        Where models compute, see `DenoiseSettings`.

    Raises
    ------
    InputError
        If there is none, one is unknown or needs a package that is missing, or two have the
        same name.
    """
    methods: list[Method] = []
    for given in models:
        model = given if isinstance(given, Model) else load(given)
        name = model.card.name if isinstance(given, Model) else Path(given).stem
        methods.append(ModelMethod(name, model, device))
    for name in baselines:
        if name not in BASELINES:
            raise InputError(f"There is no baseline '{name}'; give any of: {', '.join(BASELINES)}.")
        package = BASELINES[name].package
        if package and find_spec(package) is None:
            raise InputError(
                f"The baseline '{name}' needs a package that is missing; install it with "
                "pip install 'napari-clip-denoise[comparison]'."
            )
        methods.append(BASELINES[name])
    names = [NOISY, *(method.name for method in methods)]
    if not methods:
        raise InputError("There is nothing to compare; give a model or a baseline.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"Two columns would be called '{twice}'; rename a model file.")
    return methods


def _at_noise(plane: np.ndarray, filter_: Callable[[np.ndarray, float], np.ndarray]) -> np.ndarray:
    """Filter a plane on a scale from 0 to 1, told the deviation of its noise there."""
    found = estimate_noise(np.moveaxis(np.atleast_3d(plane), -1, 0))
    low, span = plane.min(), np.ptp(plane)
    sigma = float(np.sqrt(found.variance(plane).mean())) if found else 0.0
    if not (span and sigma):
        return plane
    return low + span * filter_((plane - low) / span, sigma / float(span))
