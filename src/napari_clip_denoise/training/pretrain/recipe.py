"""Recipes: settings for training a model, read from YAML."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY
from napari_clip_denoise.network.config import DenoiserConfig

Range = tuple[float, float]
Weight = Annotated[float, Field(ge=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageGroup(_Settings):
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
    halve : float
        Probability of averaging 2x2 pixels, which reduces the noise of the clean images.
    """

    folder: str
    weight: Weight = 1.0
    normalise: bool = True
    values: Range | None = None
    halve: Annotated[float, Field(ge=0, le=1)] = 0.3


class Simulation(_Settings):
    """Simulated fluorescence used as clean images, with `planes` different planes."""

    weight: Weight = 0.0
    planes: int = 256


class Noise(_Settings):
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
    partly : float
        Probability that only a part of correlated noise is blurred.
    smeared : float
        Probability that a detector or resampling spreads photons, and their noise, over
        neighbouring pixels.
    smear_share, smear_width : tuple of float
        Fraction of the light that is spread, drawn uniformly, and distance in pixels, drawn
        log-uniformly for each axis.
    photons : tuple of float
        Number of photons at the value 1, drawn log-uniformly.
    background : tuple of float
        Background light, as a fraction of the value 1.
    read_noise : tuple of float
        Read noise in photons.
    camera_signal, camera_constant : float
        Standard deviation of raw camera noise: relative to the value, and at the value 0.
    stripes, salt_and_pepper, quantised : float
        Probabilities of adding these to any kind of noise.
    stripe_sigma, impulses : tuple of float
        Standard deviation of the stripes, and fraction of pixels hit by impulses, drawn
        log-uniformly.
    """

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
    partly: Weight = 0.0
    smeared: Weight = 0.0
    smear_share: Range = (0.0, 0.6)
    smear_width: Range = (0.4, 2.0)
    photons: Range = (2.0, 1000.0)
    background: Range = (0.0, 0.2)
    read_noise: Range = (0.0, 3.0)
    camera_signal: float = 0.04
    camera_constant: float = 0.03
    stripes: Weight = 0.0
    salt_and_pepper: Weight = 0.0
    quantised: Weight = 0.0
    stripe_sigma: Range = (0.005, 0.05)
    impulses: Range = (0.001, 0.04)

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
            "smeared": "photons smeared into neighbouring pixels",
            "stripes": "stripes",
            "salt_and_pepper": "salt and pepper",
            "quantised": "quantisation",
        }
        return "; ".join(text for kind, text in kinds.items() if getattr(self, kind))


class Remap(_Settings):
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

    probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    span: Range = (0.1, 1.2)


class Optimisation(_Settings):
    """Optimiser settings, learning-rate schedule and loss of a training.

    After a linear warm-up, ``"cosine"`` decays along half a cosine to the final rate.
    ``"trapezoid"`` stays constant and decays linearly in the last `cool_down` fraction of the
    steps, so that a training can be extended while it runs (Hägele et al., NeurIPS 2024).
    ``"restarts"`` has no warm-up; in each of `periods` it decays along half a cosine to the rate
    at the same position in `minima`.

    The loss ``"rms"`` is the root of each patch's mean squared error, ``"l1"`` the mean absolute
    error. With `mixup`, half of the batches are blended with a permutation of themselves; the
    weight is drawn from Beta(mixup, mixup) (Zhang et al., ICLR 2018). If `average_decay` is 0, the
    last weights are kept instead of their running average.

    `precision` is that of the convolutions; bfloat16 is faster on processors that support it. Muon
    optimises the weights of the convolutions and leaves the others to AdamW (Jordan et al., 2024,
    as implemented in `timm`, with updates as large as AdamW's), at `fallback_rate` times the
    learning rate. Parts of the network whose names start with one of `fallback` are left to AdamW
    as well: Muon changes all weights by similar amounts, and those of little importance at random,
    until their rectifiers are switched off.

    With `calibrate`, an encoder with random weights takes the statistics of its batch
    normalisation from the first batches. Otherwise, at a high rate, the rectifiers of its deep
    stages are soon switched off permanently.

    `start_share` is the fraction of the initial weights in the final ones. If the training started
    from a model, this recovers what that model did better, at little cost to what was learned
    (Wortsman et al., CVPR 2022).
    """

    optimiser: Literal["adamw", "muon"] = "adamw"
    steps: Annotated[int, Field(gt=0)] = 20_000
    schedule: Literal["cosine", "trapezoid", "restarts"] = "cosine"
    periods: tuple[int, ...] = ()
    minima: tuple[float, ...] = ()
    cool_down: Annotated[float, Field(gt=0, le=1)] = 0.3
    batch: Annotated[int, Field(gt=0)] = 8
    crop: Annotated[int, Field(gt=0, multiple_of=16)] = 128
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warm_up: int = 300
    loss: Literal["rms", "l1"] = "rms"
    mixup: Weight = 0.0
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    average_decay: float = 0.999
    augmentation_level: float = 0.025
    start_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    train_encoder: bool = True
    calibrate: bool = False
    fallback_rate: Annotated[float, Field(gt=0)] = 1.0
    fallback: tuple[str, ...] = ()
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    checkpoint_every: int = 1000

    @model_validator(mode="before")
    @classmethod
    def _without_a_loss_that_is_gone(cls, values: Any) -> Any:
        """Accept recipes on older cards, which name a loss that they did not use."""
        if isinstance(values, dict) and not values.get("consistency"):
            return {name: value for name, value in values.items() if name != "consistency"}
        return values

    @model_validator(mode="after")
    def _periods_add_up(self) -> Self:
        restarts = self.schedule == "restarts"
        if restarts and (sum(self.periods), len(self.periods)) != (self.steps, len(self.minima)):
            raise ValueError("periods add up to the steps, and each has a minimum")
        return self


class Recipe(_Settings):
    """Everything needed to repeat the training of a model, apart from the images.

    Attributes
    ----------
    name, description : str
        Name of the model, and a sentence about it for its card.
    seed : int
        Random seed; the same seed and data give the same patches in the same order.
    network : DenoiserConfig
        Architecture of the network.
    encoder : str
        Source of the frozen encoder: ``"clip-rn50"``, ``"random"``, or a model by name or file.
        If empty, the encoder has random weights as well, and is usually trained.
    intensity : str
        Intensity mapping recommended on the model's card.
    renewed : tuple of str
        Prefixes of the names of parts, such as ``"encoder.layer3"``, that start from random
        weights although the initial model has them.
    groups : tuple of ImageGroup
        Groups of clean images.
    samples : float
        Relative frequency of patches from the photographs and micrographs included in
        scikit-image, compared with the groups.
    varied : bool
        Whether patches are varied in tone and colour, in addition to flips and rotations.
    """

    name: str
    description: str = ""
    licence: str = ""
    data_terms: str = ""
    seed: int = 0
    network: DenoiserConfig
    encoder: str = ""
    intensity: str = DEFAULT_INTENSITY
    renewed: tuple[str, ...] = ()
    groups: tuple[ImageGroup, ...] = ()
    samples: Weight = 0.0
    varied: bool = True
    simulation: Simulation = Simulation()
    noise: Noise = Noise()
    remap: Remap = Remap()
    optimisation: Optimisation = Optimisation()

    @model_validator(mode="after")
    def _has_images_that_fit(self) -> Self:
        if not (self.groups or self.simulation.weight or self.samples):
            raise ValueError("a recipe has groups of images, or simulates some")
        if self.noise.camera and self.network.channels != 3:
            raise ValueError("camera noise is for networks of three channels")
        if self.encoder and self.optimisation.train_encoder:
            raise ValueError("an encoder that comes from elsewhere is not trained")
        return self

    def smoke(self) -> "Recipe":
        """Return a variant that runs in seconds, to test that everything works."""
        steps = 4
        short: dict[str, Any] = {
            "steps": steps,
            "batch": 2,
            "crop": 32,
            "checkpoint_every": 2,
            "warm_up": 0,
        }
        if self.optimisation.schedule == "restarts":
            short |= {"periods": (1, steps - 1), "minima": self.optimisation.minima[:2]}
        return self.model_copy(
            update={
                "name": f"{self.name}-smoke",
                "optimisation": self.optimisation.model_copy(update=short),
                "simulation": self.simulation.model_copy(update={"planes": 2}),
            }
        )


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by name, if it is included in the package, or from a YAML file.

    Parameters
    ----------
    name_or_path : str or Path
        Name of an included recipe, or path of a YAML file.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    InputError
        If the recipe does not exist or is invalid.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = Path(str(resources.files(__package__) / "recipes" / f"{name_or_path}.yaml"))
    if not path.is_file():
        known = ", ".join(
            sorted(file.stem for file in (Path(__file__).parent / "recipes").glob("*.yaml"))
        )
        raise InputError(
            f"There is no recipe '{name_or_path}'; give a YAML file or one of: {known}."
        )
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"The recipe {path} is not valid: {error}") from error


def _span(span: Range) -> str:
    low, high = span
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
