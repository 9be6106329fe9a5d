"""Settings of the training images and their noise."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Range = tuple[float, float]
Weight = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Settings that cannot be changed, and whose names are checked.

    Names of former versions, which older model cards and recipes contain, are read as `FORMER`
    says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    FORMER: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_present_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {cls.FORMER.get(name, name): value for name, value in values.items()}


class ImageGroup(Settings):
    """A folder of clean images.

    Attributes
    ----------
    folder : str
        Path below the data folder, searched recursively.
    weight : float
        Relative frequency of patches from this group.
    normalise : bool
        Whether to map the 0.1 and 99.9 percentiles of each image to 0 and 1. If not, integer
        images are divided by the largest value of their type.
    values : tuple of float or None
        Raw values mapped to 0 and 1 in all images, such as a CT window; overrides
        `normalise`.
    p_downsample : float
        Probability of averaging 2x2 pixels, which reduces the noise of the clean images.
    pad : bool
        Whether images smaller than a patch are continued by mirroring, instead of left out.
    """

    FORMER: ClassVar[dict[str, str]] = {"halve": "p_downsample"}

    folder: str
    weight: Weight = 1.0
    normalise: bool = True
    values: Range | None = None
    p_downsample: Probability = 0.3
    pad: bool = False


class Simulation(Settings):
    """Simulated fluorescence used as clean images, with `planes` different planes."""

    weight: Weight = 0.0
    planes: int = 256


class Textures(Settings):
    """Procedural textures used as clean images: gratings, checkers, dead leaves and glyphs."""

    weight: Weight = 0.0
    planes: int = 256


class Extremes(Settings):
    """Structures and patches far above [0, 1], which the networks meet in real stacks.

    Attributes
    ----------
    structures, saturated, scaled, hot : float
        Probabilities of adding rare discs, spots and lines, of clipping the brightest areas, of
        multiplying the whole patch, and of replacing single pixels of the noisy patch.
    brightness : tuple of float
        Brightness of structures and hot pixels, drawn log-uniformly.
    factor : tuple of float
        Factor of the whole patch, drawn log-uniformly.
    hot_fraction : tuple of float
        Fraction of hot pixels, drawn log-uniformly.
    """

    FORMER: ClassVar[dict[str, str]] = {"hot_share": "hot_fraction"}

    structures: Probability = 0.0
    saturated: Probability = 0.0
    scaled: Probability = 0.0
    hot: Probability = 0.0
    brightness: Range = (2.0, 100.0)
    factor: Range = (1.0, 20.0)
    hot_fraction: Range = (1e-4, 2e-3)


class NoiseLevel(Settings):
    """What a network that takes the noise level is told in training.

    Attributes
    ----------
    unknown : float
        Probability that it is told nothing.
    mean : float
        Probability that a level that depends on the value is replaced by its mean.
    wrong : float
        Probability of a wrong level.
    error : tuple of float
        Factor of a wrong level, drawn log-uniformly.
    """

    unknown: Probability = 0.2
    mean: Probability = 0.15
    wrong: Probability = 0.3
    error: Range = (0.7, 1.4)


class Noise(Settings):
    """Kinds of noise added to clean patches, and their frequency. Ranges are (low, high).

    Attributes
    ----------
    gaussian, faint, correlated, poisson_gaussian, stabilised, speckle, camera, tomographic : float
        Relative frequencies of the kinds. ``faint`` is barely visible Gaussian noise, which
        teaches a model to leave clean images unchanged. ``stabilised`` is Poisson-Gaussian noise
        after the Anscombe transform, as the network sees it with that intensity mapping.
        ``camera`` is the noise of a colour camera's raw pixels, only for RGB. ``tomographic`` is
        Gaussian noise with the spectrum of a CT reconstruction.
    sigma, faint_sigma : tuple of float
        Standard deviation of Gaussian noise for images in [0, 1], drawn uniformly.
    correlation : tuple of float
        Blur of correlated noise, in pixels.
    cutoff : tuple of float
        Cutoff of the kernel of tomographic noise in cycles per pixel, drawn log-uniformly.
    streaks : tuple of float
        Excess of tomographic noise from some directions, drawn uniformly.
    p_partial : float
        Probability that only a part of correlated noise is blurred.
    p_blur : float
        Probability that a detector or resampling spreads photons, and their noise, over
        neighbouring pixels.
    blur_fraction, blur_width : tuple of float
        Fraction of the light that is spread, drawn uniformly, and distance in pixels, drawn
        log-uniformly for each axis.
    maps : float
        Probability that the level of Gaussian noise varies over the patch, smoothly or in steps.
    photons : tuple of float
        Number of photons at the value 1, drawn log-uniformly.
    background : tuple of float
        Background light, as a fraction of the value 1.
    read_noise : tuple of float
        Read noise in photons.
    camera_signal, camera_constant : float
        Standard deviation of raw camera noise: relative to the value, and at the value 0.
    camera_strength : tuple of float
        Factor of both, drawn log-uniformly.
    stripes, salt_and_pepper, quantised, jpeg : float
    camera_as_published : bool
        Whether the camera develops its pixels as the code of the paper's authors, see `RawCamera`.
    stripes, salt_and_pepper, quantised : float
        Probabilities of adding these to any kind of noise.
    stripe_sigma, impulses : tuple of float
        Standard deviation of the stripes, and fraction of pixels hit by impulses, drawn
        log-uniformly.
    stripe_ratio : tuple of float or None
        Standard deviation of the stripes relative to that of the noise, drawn log-uniformly;
        overrides `stripe_sigma` where the patch has noise.
    jpeg_quality : tuple of int
        Quality of a JPEG compression, drawn uniformly.
    """

    FORMER: ClassVar[dict[str, str]] = {
        "partly": "p_partial",
        "smeared": "p_blur",
        "smear_share": "blur_fraction",
        "smear_width": "blur_width",
    }

    gaussian: Weight = 1.0
    faint: Weight = 0.0
    correlated: Weight = 0.0
    poisson_gaussian: Weight = 0.0
    stabilised: Weight = 0.0
    speckle: Weight = 0.0
    camera: Weight = 0.0
    tomographic: Weight = 0.0
    sigma: Range = (0.0, 55 / 255)
    faint_sigma: Range = (0.0, 0.01)
    correlation: Range = (0.4, 1.2)
    cutoff: Range = (0.1, 1.0)
    streaks: Range = (0.0, 3.0)
    maps: Probability = 0.0
    p_partial: Probability = 0.0
    p_blur: Probability = 0.0
    blur_fraction: Range = (0.0, 0.6)
    blur_width: Range = (0.4, 2.0)
    photons: Range = (2.0, 1000.0)
    background: Range = (0.0, 0.2)
    read_noise: Range = (0.0, 3.0)
    camera_signal: float = 0.04
    camera_constant: float = 0.03
    camera_strength: Range = (1.0, 1.0)
    camera_as_published: bool = False
    stripes: Weight = 0.0
    salt_and_pepper: Weight = 0.0
    quantised: Weight = 0.0
    jpeg: Weight = 0.0
    stripe_sigma: Range = (0.005, 0.05)
    stripe_ratio: Range | None = None
    impulses: Range = (0.001, 0.04)
    jpeg_quality: tuple[int, int] = (60, 95)

    def describe(self) -> str:
        """Return a description of the noise for a model card."""
        photons = f"from {self.photons[0]:g} to {self.photons[1]:g} photons"
        sigma = _span(self.sigma)
        kinds = {
            "gaussian": f"Gaussian, sigma {sigma} of the range",
            "faint": f"Gaussian, sigma {_span(self.faint_sigma)}",
            "correlated": f"spatially correlated Gaussian, sigma {sigma}",
            "poisson_gaussian": f"Poisson-Gaussian {photons}",
            "stabilised": f"stabilised Poisson-Gaussian {photons}",
            "speckle": f"speckle, sigma {sigma}",
            "camera": f"raw camera noise {self.camera_signal:g} / {self.camera_constant:g}",
            "tomographic": f"tomographic, sigma {sigma}",
            "p_blur": "photons smeared into neighbouring pixels",
            "stripes": "stripes",
            "salt_and_pepper": "salt and pepper",
            "quantised": "quantisation",
            "jpeg": "JPEG compression",
        }
        return "; ".join(text for kind, text in kinds.items() if getattr(self, kind))


class Remap(Settings):
    """Random linear intensity mapping, the same for the noisy and the clean patch.

    It simulates the effect of a whole stack's intensity mapping on a single patch: with
    `probability`, the 1 and 99 percentiles of the patch are mapped to a random part of [0, 1].

    Attributes
    ----------
    probability : float
        Probability that the mapping is applied.
    span : tuple of float
        Width of that part, drawn log-uniformly.
    """

    probability: Probability = 0.0
    span: Range = (0.1, 1.2)


class PatchSettings(Settings):
    """Clean images and their noise: everything that decides the patches, apart from their size.

    Attributes
    ----------
    seed : int
        Random seed; the same seed and data give the same patches in the same order.
    groups : tuple of ImageGroup
        Groups of clean images.
    samples : float
        Relative frequency of patches from the photographs and micrographs included in
        scikit-image, compared with the groups.
    augment : bool
        Whether patches are varied in tone and colour, in addition to flips and rotations.
    simulation, textures, extremes, level, noise, remap
        See the classes of these names.
    """

    FORMER: ClassVar[dict[str, str]] = {"varied": "augment"}

    seed: int = 0
    groups: tuple[ImageGroup, ...] = ()
    samples: Weight = 0.0
    augment: bool = True
    simulation: Simulation = Simulation()
    textures: Textures = Textures()
    extremes: Extremes = Extremes()
    level: NoiseLevel = NoiseLevel()
    noise: Noise = Noise()
    remap: Remap = Remap()


def _span(span: Range) -> str:
    low, high = span
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
