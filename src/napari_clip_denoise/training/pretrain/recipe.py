"""Settings that train a model, read from YAML."""

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
        How often patches come from here, relative to the other groups.
    normalise : bool
        Whether each image's 0.1 to 99.9 percentiles become [0, 1]. Without it, integer
        images are divided by the largest value of their type.
    values : tuple of float or None
        The raw values that become 0 and 1 in all images, such as a CT window; overrides
        `normalise`.
    halve : float
        Probability of averaging 2x2 pixels, which removes noise that the clean images have.
    """

    folder: str
    weight: Weight = 1.0
    normalise: bool = True
    values: Range | None = None
    halve: Annotated[float, Field(ge=0, le=1)] = 0.3


class Simulation(_Settings):
    """Simulated fluorescence among the clean images: `planes` different ones."""

    weight: Weight = 0.0
    planes: int = 256


class Noise(_Settings):
    """What noise is mixed in, and how often. Ranges are (low, high).

    Attributes
    ----------
    gaussian, faint, correlated, poisson_gaussian, stabilised, speckle, camera, tomographic : float
        Relative frequencies of the kinds. ``faint`` is Gaussian noise that hardly shows, from
        which a model learns to leave clean images alone. ``stabilised`` is Poisson-Gaussian
        noise after the Anscombe transform, as the network sees it behind that intensity
        mapping. ``camera`` is that of a colour camera's raw pixels, for RGB alone.
        ``tomographic`` is Gaussian noise with the spectrum of a CT reconstruction.
    sigma, faint_sigma : tuple of float
        Gaussian standard deviation, drawn uniformly, on a scale where images span [0, 1].
    correlation : tuple of float
        Blur of correlated noise, in pixels.
    cutoff : tuple of float
        Of the kernel of tomographic noise, in cycles a pixel, drawn log-uniformly.
    streaks : tuple of float
        How much more of it comes from some directions, drawn uniformly.
    partly : float
        Probability that only a share of correlated noise is blurred.
    smeared : float
        Probability that a detector or a resampling smears photons, and their noise, into
        neighbouring pixels.
    smear_share, smear_width : tuple of float
        Share of the light that is smeared, drawn uniformly, and how far in pixels, drawn
        log-uniformly for each axis.
    photons : tuple of float
        Photons at the value 1, drawn log-uniformly.
    background : tuple of float
        Background light, as a share of the value 1.
    read_noise : tuple of float
        Read noise in photons.
    camera_signal, camera_constant : float
        Deviation of raw noise, relative to the value and at the value 0.
    stripes, salt_and_pepper, quantised : float
        Probabilities of these in addition to any kind.
    stripe_sigma, impulses : tuple of float
        Standard deviation of the stripes, and share of pixels that impulses hit, drawn
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
        """Say for a model card which noise a model learned from."""
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
    """Random linear intensity mapping of noisy and clean patch alike.

    It stands for what an intensity mapping of a whole stack does to one patch: with
    `probability`, the patch's 1 to 99 percentiles are brought to a random part of [0, 1].

    Attributes
    ----------
    probability : float
        How often it is applied.
    span : tuple of float
        Width of that part, drawn log-uniformly.
    """

    probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    span: Range = (0.1, 1.2)


class Optimisation(_Settings):
    """Steps of an optimiser, and how its learning rate goes.

    After a linear warm-up, ``"cosine"`` falls by half a cosine to the final rate;
    ``"trapezoid"`` stays and falls linearly in the last `cool_down` of the steps, so that a
    training can be made longer while it runs (Hägele et al., NeurIPS 2024). ``"restarts"`` has
    no warm-up and falls by half a cosine in each of `periods`, to the rate of the same place in
    `minima`.

    The loss ``"rms"`` is the root of each patch's mean squared error, ``"l1"`` the mean absolute
    error. With `mixup`, half of the batches are mixed with themselves in another order, by a
    share drawn from Beta(mixup, mixup) (Zhang et al., ICLR 2018). `average_decay` 0 keeps the
    last weights instead of their running average.

    `precision` is that of the convolutions; bfloat16 pays where the processor has it. Muon
    takes the weights of the convolutions and leaves the rest to AdamW (Jordan et al., 2024, as
    `timm` has it, with updates as large as AdamW's), at `fallback_rate` times the learning rate.
    So it does with those parts of the network whose names begin as one of `fallback`: Muon moves
    all weights alike, and those that matter little at random, until their rectifiers are shut.

    With `calibrate`, an encoder that begins with random weights gets the statistics of the first
    batches for its batch normalisation. Without it, and at a high rate, the rectifiers of its deep
    stages are soon switched off for good.

    `start_share` is that of the weights that the training began with in those it ends with: where
    it goes on from a model, what that model was better at comes back, at little cost to what is
    new (Wortsman et al., CVPR 2022).
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
        """Read recipes on older cards, which name a loss that they did not use."""
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
    """All that it takes to train a model again, but for the images.

    Attributes
    ----------
    name, description : str
        Name of the model, and a sentence on it for its card.
    seed : int
        The same seed and data give the same patches in the same order.
    network : DenoiserConfig
        Shape of the network.
    encoder : str
        Where the frozen encoder comes from: ``"clip-rn50"``, ``"random"``, or a model by name or
        file. Empty, it has random weights, too, and is usually trained.
    intensity : str
        Intensity mapping that the model's card recommends.
    renewed : tuple of str
        Parts that begin at random although the model to start from has them, by the beginning of
        their names: ``"encoder.layer3"``.
    groups : tuple of ImageGroup
        Where clean images come from.
    samples : float
        How often patches come from the photographs and micrographs that scikit-image carries,
        relative to the groups.
    varied : bool
        Whether patches vary in tone and colour, too, and not only by flips and rotations.
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
        """Give a variant that runs in seconds, to see that everything is in its place."""
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
    """Read a recipe that ships with the package, by name, or a YAML file, by path.

    Raises
    ------
    InputError
        If there is no such recipe or it is not valid.
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
